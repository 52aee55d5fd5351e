"""Tables of a comparison for the terminal."""

from saccade.study.cheapest import sentences as sentences
from saccade.study.policies_table import cascade_table as cascade_table
from saccade.study.policies_table import policies_table as policies_table
from saccade.study.table import print_table as print_table
from saccade.study.table import table as table
