# Downloads a picture. usage: download.py URL
import hashlib
import os
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1]) as answer:
    picture = answer.read()
with open(os.environ.get("TMPDIR", "/tmp") + "/downloaded", "wb") as out:
    out.write(picture)
print("bytes", len(picture), hashlib.sha256(picture).hexdigest()[:16])
