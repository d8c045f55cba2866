# Finds the edges of a picture. usage: edge.py FILE
import hashlib
import os
import sys

import cv2

picture = cv2.imread(sys.argv[1])
grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
edges = cv2.Canny(cv2.GaussianBlur(grey, (5, 5), 0), 50, 150)
cv2.imwrite(os.environ.get("TMPDIR", "/tmp") + "/edges.png", edges)
print("edges", cv2.countNonZero(edges), hashlib.sha256(edges.tobytes()).hexdigest()[:16])
