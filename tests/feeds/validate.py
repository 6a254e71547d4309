"""Validates feeds: `validate.py FEED.atom FEED.json`.

lxml validates Atom by RELAX NG, feedparser reads it as feed readers do, and jsonschema validates
JSON Feed.
"""

import json
import pathlib
import sys

import feedparser
import jsonschema
from lxml import etree

HERE = pathlib.Path(__file__).parent
atom, json_feed = map(pathlib.Path, sys.argv[1:])

document = etree.parse(atom)
etree.RelaxNG(etree.parse(HERE / "atom.rng")).assertValid(document)
read = feedparser.parse(atom.read_bytes())
assert not read.bozo, read.bozo_exception
ids = [entry.id for entry in read.entries]
assert ids and len(set(ids)) == len(ids), ids

schema = json.loads((HERE / "json_feed.schema.json").read_text())
feed = json.loads(json_feed.read_text())
jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(feed)
assert [item["id"] for item in feed["items"]] == ids
