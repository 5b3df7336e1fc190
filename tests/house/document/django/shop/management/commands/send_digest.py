from django.core.management.base import BaseCommand

from shop.tasks import send_weekly_digest


class Command(BaseCommand):
    help = "Send weekly digest emails to all active users"

    def handle(self, *args, **options):
        results = send_weekly_digest()
        self.stdout.write(
            self.style.SUCCESS(f"Successfully sent {len(results)} emails")
        )
