"""Write the SHA-256 of every file into ``manifest.json``, and delete weights that no model uses."""

import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).parent / "src" / "saccade_embedded"
OTHER = ("tokenizer.json", "tokenizer_config.json")
"""Files beside the parts of the models."""


def pin(folder: Path) -> None:
    """Do so in ``folder``."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    used = {file for card in manifest["readers"].values() for file in card["parts"].values()}
    for file in folder.glob("*.safetensors"):
        if file.name not in used and file.name not in OTHER:
            file.unlink()
    names = sorted([*used, *OTHER])
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    pin(FOLDER)
