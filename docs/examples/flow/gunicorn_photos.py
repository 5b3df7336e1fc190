"""``gunicorn -c gunicorn_photos.py``"""

from cotality.flow.gunicorn import hooks

wsgi_app = "photos:app"
worker_class = "uvicorn.workers.UvicornWorker"
workers = 2

on_starting, on_exit = hooks("photos:flow")
