from django.db import models


class Order(models.Model):
    weight = models.IntegerField()
    zip_code = models.CharField(max_length=5)
    shipping_cost = models.FloatField(null=True)
    status = models.CharField(max_length=20, default="new")


class User(models.Model):
    username = models.CharField(max_length=20)
    email = models.EmailField()
    is_active = models.BooleanField(default=True)
