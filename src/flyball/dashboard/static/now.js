// The numbers of now, for one service or for all together.

/** The chosen service, or all. */
export const chosen = (state, service) => state.services.filter((one) => service === null || one.name === service);

/** Several services as one: rates and capacities added, the worst latency, use averaged over instances. */
export function together(services) {
  const sum = (pick) => services.reduce((total, one) => total + pick(one), 0);
  const known = (name) => (services.some((one) => one.metrics[name] !== null) ? sum((one) => one.metrics[name]) : null);
  const worst = (name) => services.reduce((most, { metrics }) => larger(most, metrics.latency_ms[name]), null);
  return {
    min: sum((one) => one.capacity.min),
    max: sum((one) => one.capacity.max),
    desired: sum((one) => one.capacity.desired),
    in_service: sum((one) => one.capacity.in_service),
    rps: known("requests_per_second"), // null before the first datapoint
    eps: known("errors_per_second"),
    cpu: weighted(services, "cpu_percent"),
    memory: weighted(services, "memory_percent"),
    requests: weighted(services, "requests"),
    errors: services.reduce((most, { metrics }) => larger(most, metrics.errors_percent), null),
    period_s: Math.max(...services.map((one) => one.period_s)),
    p50: worst("p50"),
    p95: worst("p95"),
    p99: worst("p99"),
    scale_out: sum((one) => one.scalings.scale_out),
    scale_in: sum((one) => one.scalings.scale_in),
    instances: services.flatMap((one) => one.instances.map((instance) => ({ ...instance, service: one.name }))),
  };
}

const larger = (a, b) => (a === null ? b : b === null ? a : Math.max(a, b));

function weighted(services, name) {
  const known = services.filter((one) => one.metrics[name] !== null && one.capacity.in_service > 0);
  const weight = known.reduce((total, one) => total + one.capacity.in_service, 0);
  return weight ? known.reduce((total, one) => total + one.metrics[name] * one.capacity.in_service, 0) / weight : null;
}

/** The counts behind "Healthy: n/n". Instances that leave do not count. */
export function health(instances) {
  const staying = instances.filter((one) => one.lifecycle === "launching" || one.lifecycle === "in_service");
  return {
    all: staying.length,
    healthy: staying.filter((one) => one.lifecycle === "in_service" && one.health === "healthy").length,
    starting: staying.filter((one) => one.lifecycle === "launching").length,
    unhealthy: staying.filter((one) => one.lifecycle === "in_service" && one.health === "unhealthy").length,
    leaving: instances.length - staying.length,
  };
}
