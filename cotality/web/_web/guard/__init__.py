"""Who is answered, and how others are refused.

* what every refusal looks like: `problems`; of input that is wrong: `refusing`; routes
  that answer so wherever they are mounted: `problem_route`;
* who asks: `keys`; from where: `peers`; how often: `rates`, in a `window` of time; all
  three for each request: `door`;
* how large a request may be: `bodies`, and what it says: `json_bodies`; what a browser
  is told with each answer, and what becomes of a fault of ours: `shield`.
"""
