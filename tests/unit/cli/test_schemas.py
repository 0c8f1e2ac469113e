"""The schemas of the documentation are about what there is."""

from __future__ import annotations

import json

from imgfetch.cli.settings import SETTINGS
from scripts.documentation import documents


def test_every_schema_is_on_the_page() -> None:
    assert sorted(documents.names()) == sorted(path.stem for path in documents.SCHEMAS.iterdir())


def test_the_schema_of_the_configuration_file_has_all_settings() -> None:
    schema = json.loads((documents.SCHEMAS / "config-file.json").read_text())
    assert schema["properties"].keys() == SETTINGS.keys()
