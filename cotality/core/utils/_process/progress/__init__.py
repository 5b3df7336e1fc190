"""How a call shows how far it is, one idea a file.

* what is told: `snapshot`; how it is counted, and how fast it goes: `meter`;
* whom it is told, and how often: `option`, `reporter`, `bar`;
* where standard error leads, and what suits that: `place`, `faces`;
* the faces: `rich_face`, `tqdm_face`, `notebook_face`, `plain_faces`; what they say:
  `words`.
"""
