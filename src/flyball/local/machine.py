"""What one application has on this machine and what outlives its control plane: instances, balancer, stores, limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from flyball.core.control.observation import StoreSeen

from .envoy.balancer import Balancer
from .instances.instances import Instances
from .instances.limits import Limits
from .paths import StateDirectory
from .process import logs
from .stores.stores import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The parts that a control plane takes over, keeps and leaves."""

    paths: StateDirectory
    limits: Limits
    stores: Stores
    instances: Instances
    balancer: Balancer

    async def keep(self) -> list[StoreSeen]:
        """Start stores again that have died, and keep the logs within their bounds; what there is to tell."""
        seen = await self.stores.keep()
        await asyncio.to_thread(logs.keep_within_bounds, self.paths.logs, keep=set(self.instances.running))
        return seen

    async def stop(self) -> None:
        """End the balancer and the stores, once no instance is left. The data stays."""
        await self.balancer.stop()
        await self.stores.stop()
        self.paths.remove_sockets()

    async def close(self) -> None:
        """Let go of everything; all of it goes on."""
        await self.instances.close()
        await self.balancer.close()
        self.limits.close()
