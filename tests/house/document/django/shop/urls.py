from django.urls import path

from . import views

urlpatterns = [
    path("orders/batch-process/", views.batch_process_orders),
    path("users/aggregate/", views.aggregate_users),
    path("squares", views.my_view),
    path("health", views.health),
]
