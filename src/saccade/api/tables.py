"""Tables of a comparison for the terminal."""

from saccade.report.cheapest import sentences as sentences
from saccade.report.policies_table import cascade_table as cascade_table
from saccade.report.policies_table import policies_table as policies_table
from saccade.report.tables import print_table as print_table
from saccade.report.tables import table as table
