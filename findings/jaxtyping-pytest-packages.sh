#!/usr/bin/env bash
# jaxtyping 0.3.11 under pytest 9.2.0, with beartype 0.23.1: the option --jaxtyping-packages with two packages and a type
# checker that is a call, `one,two,beartype.beartype(conf=beartype.BeartypeConf())`. The option is documented to take
# several packages and the checker last, and the import hook behind it takes such a call as text.
#
# What was seen: with two packages and the plain name `beartype.beartype`, a wrong shape in either package is an error. With
# the call as the checker, the list is cut at its first comma alone: the second package becomes part of the checker's text,
# the first package is still checked, and the second is not, without a word. With one package, the call works.
#
# So a suite that checks several packages by such a checker has to install the hook in its conftest.py, or believes that
# shapes are checked where they are not. Fails if any of the three changes.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install --quiet --disable-pip-version-check ${PIP_ARGS:-} \
    jaxtyping==0.3.11 beartype==0.23.1 pytest==9.2.0 numpy==2.4.0
cd "$room"
for name in one two; do
    mkdir "$name"
    cat >"$name/__init__.py" <<'PY'
import numpy as np
from jaxtyping import Float


def square(x: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    return x
PY
    cat >"test_$name.py" <<PY
import numpy as np
import pytest


def test_a_wrong_shape_is_refused():
    import $name

    with pytest.raises(Exception, match="(?i)type-check|shape|annotation"):
        $name.square(np.zeros((2, 3)))
PY
done
run() { "$room/venv/bin/python" -m pytest -q -p no:cacheprovider "--jaxtyping-packages=$1" "${@:2}" >log 2>&1; }
call='beartype.beartype(conf=beartype.BeartypeConf())'
run "one,two,beartype.beartype" test_one.py test_two.py || { cat log; echo "two packages and a plain name no longer pass"; exit 1; }
echo "two packages, a plain checker: both are checked"
run "one,$call" test_one.py || { cat log; echo "one package and a call no longer pass"; exit 1; }
echo "one package, a call as checker: it is checked"
run "one,two,$call" test_one.py || { cat log; echo "the first of two packages is not checked either now"; exit 1; }
if run "one,two,$call" test_two.py; then
    echo "two packages and a call work now"
    exit 1
fi
grep -m 1 "DID NOT RAISE" log || { cat log; echo "it fails in another way now"; exit 1; }
echo "two packages, a call as checker: the first is checked, the second is not, and nothing says so"
