# Blocks: "Batch Processing in Views", "API Endpoint with Parallel External Calls",
# "Process Lifecycle Management".
import atexit
import os

import requests
from django.http import JsonResponse
from django.views.decorators.http import require_http_methods

from cotality.tuning import (
    execute,
    get_global_pool_manager,
    shutdown_global_pool_manager,
)

from .models import Order

API = os.environ["SHOP_API"]


def process_order(order_id):
    """Process a single order (expensive operation)."""
    order = Order.objects.get(id=order_id)

    # Expensive operations: API calls, calculations, etc.
    shipping_cost = requests.get(
        f"{API}/calculate", params={"weight": order.weight, "zip": order.zip_code}
    ).json()["cost"]

    order.shipping_cost = shipping_cost
    order.status = "processed"
    order.save()

    return {"order_id": order_id, "shipping_cost": shipping_cost}


@require_http_methods(["POST"])
def batch_process_orders(request):
    order_ids = request.POST.getlist("order_ids")

    results = execute(
        func=process_order,
        data=order_ids,
        verbose="verbose" in request.POST,  # Set to True for debugging
    )

    return JsonResponse({"processed": len(results), "results": results})


def fetch_user_data(user_id):
    """Fetch user data from external API."""
    response = requests.get(f"{API}/users/{user_id}", timeout=5)
    return response.json()


@require_http_methods(["GET"])
def aggregate_users(request):
    user_ids = request.GET.get("ids", "").split(",")
    user_ids = [int(uid) for uid in user_ids if uid.isdigit()]

    # Parallel API calls with automatic optimization
    results = execute(func=fetch_user_data, data=user_ids, verbose=False)

    return JsonResponse({"users": results, "count": len(results)})


# Initialize global pool manager
pool_manager = get_global_pool_manager()

# Ensure cleanup on shutdown
atexit.register(shutdown_global_pool_manager)


def square(number):
    return number * number


def my_view(request):
    results = execute(func=square, data=list(range(10)))
    return JsonResponse({"results": results})


def health(request):
    return JsonResponse({"status": "ok"})
