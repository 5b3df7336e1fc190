"""``gunicorn -c gunicorn_config.py``"""

from cotality.flow.gunicorn import hooks

wsgi_app = "service:app"
worker_class = "uvicorn.workers.UvicornWorker"
workers = 2

on_starting, on_exit = hooks("service:flow")
