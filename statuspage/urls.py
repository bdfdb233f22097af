from django.urls import URLPattern, URLResolver, path

from statuspage import views
from statuspage.ledger import views as ledger

app_name = "statuspage"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.page, name="page"),
    path("robots.txt", views.robots, name="robots"),
    path("assets/<slug:version>/<str:name>", views.asset, name="asset"),
    path("services/<slug:service_id>/ledger", ledger.page, name="ledger"),
    path("services/<slug:service_id>/ledger.json", ledger.as_json, name="ledger_json"),
    path("services/<slug:service_id>/ledger.csv", ledger.as_csv, name="ledger_csv"),
    path("policies/<str:name>/<int:version>", ledger.policy, name="policy"),
]
