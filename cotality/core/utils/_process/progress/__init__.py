"""An observer: how far a run is, for whoever waits. Stands on the engine.

* what is told: `snapshot`; how it is counted, and how fast it goes: `meter`;
* whom it is told, and how often: `option`, `reporter`, `bar`;
* where standard error leads, and what suits that: `output_place`, `choose_display`;
* the displays: `display_rich`, `display_tqdm`, `display_notebook`, `display_plain`;
  what they say: `sentence`.
"""
