// What a filter of Flyball's has of Envoy: the calls of proxy-wasm 0.2.1, the memory for what Envoy hands over, and the
// callbacks that have nothing to do. https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1
// Each filter is one file that includes this one. Calls that it does not use are not imported.

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define TEXT(literal) (literal), sizeof(literal) - 1

enum { OK = 0 };
enum { CONTINUE = 0, PAUSE = 1 };                 // what a callback of a request says
enum { REQUEST = 0 };                             // the direction that goes on
enum { REQUEST_HEADERS = 0, RESPONSE_HEADERS = 2 };  // maps of headers
enum { PLUGIN_CONFIGURATION = 7 };                // buffers
enum { COUNTER = 0, GAUGE = 1, HISTOGRAM = 2 };   // metrics

IMPORT(proxy_set_effective_context) uint32_t host_act_for(uint32_t context);
IMPORT(proxy_continue_stream) uint32_t host_continue(uint32_t direction);
IMPORT(proxy_send_local_response)
uint32_t host_answer(uint32_t status, const char *details, size_t details_size, const char *body, size_t body_size,
                     const char *headers, size_t headers_size, int32_t grpc_status);
IMPORT(proxy_get_buffer_bytes)
uint32_t host_buffer(uint32_t type, size_t start, size_t most, char **data, size_t *size);
IMPORT(proxy_get_header_map_value)
uint32_t host_header(uint32_t map, const char *name, size_t name_size, char **value, size_t *size);
IMPORT(proxy_get_property) uint32_t host_property(const char *path, size_t path_size, char **value, size_t *size);
IMPORT(proxy_set_property)
uint32_t host_set_property(const char *path, size_t path_size, const char *value, size_t size);
IMPORT(proxy_get_current_time_nanoseconds) uint32_t host_time(uint64_t *now);
IMPORT(proxy_set_tick_period_milliseconds) uint32_t host_tick_every(uint32_t period);
IMPORT(proxy_register_shared_queue) uint32_t host_register(const char *name, size_t size, uint32_t *token);
IMPORT(proxy_enqueue_shared_queue) uint32_t host_enqueue(uint32_t token, const char *data, size_t size);
IMPORT(proxy_dequeue_shared_queue) uint32_t host_dequeue(uint32_t token, char **data, size_t *size);
IMPORT(proxy_define_metric) uint32_t host_metric(uint32_t type, const char *name, size_t size, uint32_t *metric);
IMPORT(proxy_record_metric) uint32_t host_record(uint32_t metric, uint64_t value);
IMPORT(proxy_increment_metric) uint32_t host_increment(uint32_t metric, int64_t by);

// What Envoy hands over (names, headers, the configuration) lies here until it has been looked at.

static char scratch[128 * 1024];
static size_t scratch_used;

EXPORT(proxy_on_memory_allocate) void *allocate(size_t size) {
    size_t rounded = (size + 7) & ~(size_t)7;
    if (size > sizeof scratch) return NULL;
    if (scratch_used + rounded > sizeof scratch) scratch_used = 0;
    void *place = scratch + scratch_used;
    scratch_used += rounded;
    return place;
}

// The number at `at`, after spaces; where it ends.
static const char *number(const char *at, const char *end, uint64_t *found) {
    while (at < end && *at == ' ') at++;
    for (*found = 0; at < end && *at >= '0' && *at <= '9'; at++) *found = *found * 10 + (uint64_t)(*at - '0');
    return at;
}

EXPORT(proxy_abi_version_0_2_1) void abi_version(void) {}
EXPORT(_initialize) void initialize(void) {}
EXPORT(proxy_on_vm_start) uint32_t on_vm_start(uint32_t context, uint32_t size) { return 1; }
