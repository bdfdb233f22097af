"""The incidents part of `/api/v1`; `slamonitor/api.py` combines it with the other apps' parts."""

from ninja import Router

from incidents.api import (
    incident_routes,
    maintenance_plan_routes,
    maintenance_routes,
    post_mortem_routes,
    system_status_routes,
    template_routes,
    update_routes,
)

router = Router()
router.add_router("", system_status_routes.router)
router.add_router("", incident_routes.router)
router.add_router("", update_routes.router)
router.add_router("", template_routes.router)
router.add_router("", post_mortem_routes.router)
router.add_router("", maintenance_plan_routes.router)
router.add_router("", maintenance_routes.router)
