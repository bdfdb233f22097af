"""The monitoring part of `/api/v1`; `slamonitor/api.py` combines it with the other apps' parts."""

from ninja import Router

from monitoring.api import check_routes, figure_routes, service_routes, state_routes

router = Router()
router.add_router("", service_routes.router)
router.add_router("", state_routes.router)
router.add_router("", check_routes.router)
router.add_router("", figure_routes.router)
