# Block: "Background Tasks with Celery Alternative".
from django.core.mail import send_mail

from cotality.tuning import execute

from .models import User


def send_notification_email(user_id):
    """Send notification email to a user."""
    user = User.objects.get(id=user_id)

    send_mail(
        subject="Weekly Digest",
        message=f"Hi {user.username}, here is your weekly digest...",
        from_email="noreply@example.com",
        recipient_list=[user.email],
        fail_silently=False,
    )

    return user_id


def send_weekly_digest():
    """Send weekly digest to all active users."""
    # Get all active user IDs
    user_ids = User.objects.filter(is_active=True).values_list("id", flat=True)

    # Parallel execution with automatic optimization
    results = execute(
        func=send_notification_email,
        data=list(user_ids),
        verbose=True,  # See optimization details
    )

    print(f"Sent {len(results)} emails")
    return results
