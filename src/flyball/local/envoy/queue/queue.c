// One queue for each service, as a filter in Envoy: a request goes on while the instances of its service have a free
// place, and waits otherwise. First come, first served, whichever instance becomes free.
//
// A request has its place until its answer ends, or turns out to be a stream (a WebSocket, server-sent events): streams
// may last for days. Its body is not read while it waits. Who gives up leaves. What does not fit into the queue, or has
// waited too long, is answered 503.
//
// The configuration is text, one line for each service that has a limit:
//     SERVICE PLACES MOST_WAITING LONGEST_WAIT_MS
// A line that begins with # is skipped. With 0 places, what waits goes on waiting, and what comes is for Envoy to answer:
// there is no instance. A request of another service is not looked at. Whatever goes wrong in here, a request goes on.
//
// Envoy runs this in one thread. `bin/build-filter` makes queue.wasm of it.

#include "../host.h"

static int same(const char *one, const char *other, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (one[i] != other[i]) return 0;
    return 1;
}

// Services, and the requests of each: those at work are counted, those that wait are a list, the oldest first.

enum { MOST_SERVICES = 256, MOST_REQUESTS = 1 << 16, LONGEST_NAME = 64, NONE = 0 };

typedef struct {
    char name[LONGEST_NAME];
    size_t name_size;
    int limited;                 // it is in the configuration
    uint64_t places, most_waiting, longest_ms;
    uint32_t at_work, waiting;
    uint32_t first, last;        // in `requests`, NONE when nobody waits
    uint32_t waiting_now, waited_ms, took_ms, ended, inside_ms, refused_full, refused_late;  // metrics
} Service;

typedef enum { FREE, AT_WORK, WAITING } Place;

typedef struct {
    uint32_t context;            // Envoy's number of the request
    Place place;
    uint32_t service;
    uint32_t before, behind;     // in the queue
    uint32_t next;               // in its chain of `chains`, or in the list of free records
    uint64_t since;              // nanoseconds; when it came
    uint32_t waited_ms;
} Request;

static Service services[MOST_SERVICES];
static uint32_t service_count;
static Request requests[MOST_REQUESTS];   // 0 is NONE
static uint32_t chains[MOST_REQUESTS];    // by the last bits of the context
static uint32_t free_list, used_records = 1;
static uint32_t waiting_in_all;

static uint32_t chain_of(uint32_t context) { return context & (MOST_REQUESTS - 1); }

static uint32_t find_request(uint32_t context) {
    uint32_t at = chains[chain_of(context)];
    while (at != NONE && requests[at].context != context) at = requests[at].next;
    return at;
}

static uint32_t add_request(uint32_t context, uint32_t service) {
    uint32_t at = free_list;
    if (at != NONE) free_list = requests[at].next;
    else if (used_records < MOST_REQUESTS) at = used_records++;
    else return NONE;
    uint32_t *chain = &chains[chain_of(context)];
    requests[at] = (Request){.context = context, .service = service, .next = *chain};
    host_time(&requests[at].since);
    *chain = at;
    return at;
}

static void remove_request(uint32_t at) {
    uint32_t *link = &chains[chain_of(requests[at].context)];
    while (*link != at) link = &requests[*link].next;
    *link = requests[at].next;
    requests[at].place = FREE;
    requests[at].next = free_list;
    free_list = at;
}

// The turn of the loop after this one: there what has just ended is no longer counted at its instance.

static uint32_t turns;            // the queue by which this program wakes itself
static int woken;

static void wake(void) {
    if (!woken && waiting_in_all > 0) woken = host_enqueue(turns, TEXT("turn")) == OK;
}

// The timer belongs to the configuration that the request in effect came under. It lives as long as that request, also
// when this program has been replaced by another: what waits here then goes on by the timer alone.
enum { TICK_MS = 100 };

// Waiting

static void tell_waiting(const Service *service) { host_record(service->waiting_now, service->waiting); }

static void join(uint32_t at) {
    Request *request = &requests[at];
    Service *service = &services[request->service];
    request->place = WAITING;
    request->before = service->last;
    if (service->last != NONE) requests[service->last].behind = at;
    else service->first = at;
    service->last = at;
    service->waiting++;
    tell_waiting(service);
    waiting_in_all++;
    host_tick_every(TICK_MS);
}

static void leave(uint32_t at) {
    Request *request = &requests[at];
    Service *service = &services[request->service];
    if (request->before != NONE) requests[request->before].behind = request->behind;
    else service->first = request->behind;
    if (request->behind != NONE) requests[request->behind].before = request->before;
    else service->last = request->before;
    service->waiting--;
    tell_waiting(service);
    waiting_in_all--;
}

static uint32_t age_ms(const Request *request) {
    uint64_t now;
    host_time(&now);
    return now > request->since ? (uint32_t)((now - request->since) / 1000000) : 0;
}

// For the access log. The request's own context must be in effect.
static void tell_waited(uint32_t ms) {
    char digits[10];
    size_t first = sizeof digits;
    do digits[--first] = (char)('0' + ms % 10);
    while (ms /= 10);
    host_set_property(TEXT("waited_ms"), digits + first, sizeof digits - first);
}

static void admit(Service *service) {
    while (service->first != NONE && (!service->limited || service->at_work < service->places)) {
        uint32_t at = service->first;
        uint32_t ms = age_ms(&requests[at]);
        leave(at);
        requests[at].place = AT_WORK;
        requests[at].waited_ms = ms;
        service->at_work++;
        host_record(service->waited_ms, ms);
        host_act_for(requests[at].context);
        tell_waited(ms);
        host_continue(REQUEST);
    }
}

// 503 with `retry-after: 5`: the number of headers, the size of each name and value, then the names and values.
static const char retry_after[] = "\1\0\0\0" "\13\0\0\0" "\1\0\0\0" "retry-after\0" "5";

static void refuse(const char *details, size_t size) {
    host_answer(503, details, size, NULL, 0, retry_after, sizeof retry_after, -1);
}

static void refuse_the_late(Service *service) {
    while (service->first != NONE && age_ms(&requests[service->first]) >= service->longest_ms) {
        uint32_t at = service->first, context = requests[at].context, ms = age_ms(&requests[at]);
        leave(at);
        remove_request(at);
        host_increment(service->refused_late, 1);
        host_act_for(context);
        tell_waited(ms);
        refuse(TEXT("waited_too_long"));
    }
}

static void give_back(uint32_t at) {
    Request *request = &requests[at];
    Service *service = &services[request->service];
    if (request->place == WAITING) leave(at);
    else service->at_work--;
    remove_request(at);
    if (service->first != NONE) wake();
}

// What Envoy calls for a request

EXPORT(proxy_on_request_headers) uint32_t on_request_headers(uint32_t context, uint32_t count, uint32_t ended) {
    char *name;
    size_t size;
    if (host_property(TEXT("xds\0cluster_name"), &name, &size) != OK) return CONTINUE;
    for (uint32_t i = 0; i < service_count; i++) {
        Service *service = &services[i];
        if (service->name_size != size || !same(service->name, name, size)) continue;
        if (!service->limited || service->places == 0) return CONTINUE;
        int room = service->at_work < service->places && service->first == NONE;
        if (!room && service->waiting >= service->most_waiting) {
            host_increment(service->refused_full, 1);
            tell_waited(0);
            refuse(TEXT("queue_full"));
            return PAUSE;
        }
        uint32_t at = add_request(context, i);
        if (at == NONE) return CONTINUE;
        if (!room) {
            join(at);
            return PAUSE;
        }
        requests[at].place = AT_WORK;
        service->at_work++;
        return CONTINUE;
    }
    return CONTINUE;
}

static int begins(const char *value, size_t size, const char *with, size_t with_size) {
    return size >= with_size && same(value, with, with_size);
}

EXPORT(proxy_on_response_headers) uint32_t on_response_headers(uint32_t context, uint32_t count, uint32_t ended) {
    uint32_t at = find_request(context);
    if (at == NONE) return CONTINUE;
    char *type;
    size_t size;
    if (host_header(RESPONSE_HEADERS, TEXT("content-type"), &type, &size) == OK && size > 0) {
        if (begins(type, size, TEXT("text/event-stream"))) give_back(at);
    } else if (host_header(RESPONSE_HEADERS, TEXT(":status"), &type, &size) == OK && begins(type, size, TEXT("101"))) {
        give_back(at);  // a WebSocket: it has no type
    }
    return CONTINUE;
}

EXPORT(proxy_on_delete) void on_delete(uint32_t context) {
    uint32_t at = find_request(context);
    if (at == NONE) return;
    if (requests[at].place == AT_WORK) {
        Service *service = &services[requests[at].service];
        uint32_t took_ms = age_ms(&requests[at]);
        host_record(service->took_ms, took_ms);
        host_increment(service->ended, 1);
        host_increment(service->inside_ms, took_ms - requests[at].waited_ms);
    }
    give_back(at);
}

// What Envoy calls for the filter as a whole

EXPORT(proxy_on_queue_ready) void on_queue_ready(uint32_t context, uint32_t token) {
    char *data;
    size_t size;
    while (host_dequeue(token, &data, &size) == OK) {}
    woken = 0;
    for (uint32_t i = 0; i < service_count; i++) admit(&services[i]);
}

EXPORT(proxy_on_tick) void on_tick(uint32_t context) {
    woken = 0;
    for (uint32_t i = 0; i < service_count; i++) {
        admit(&services[i]);  // in case that a turn was lost
        refuse_the_late(&services[i]);
    }
    if (waiting_in_all > 0) return;
    host_act_for(context);
    host_tick_every(0);
}

// Configuration

static void define(uint32_t type, const Service *service, const char *what, size_t size, uint32_t *metric) {
    static const char prefix[] = "queue.";
    char name[sizeof prefix + LONGEST_NAME + 16];
    size_t at = 0;
    for (size_t i = 0; i < sizeof prefix - 1; i++) name[at++] = prefix[i];
    for (size_t i = 0; i < service->name_size; i++) name[at++] = service->name[i];
    name[at++] = '.';
    for (size_t i = 0; i < size; i++) name[at++] = what[i];
    host_metric(type, name, at, metric);
}

static Service *service_named(const char *name, size_t size) {
    for (uint32_t i = 0; i < service_count; i++)
        if (services[i].name_size == size && same(services[i].name, name, size)) return &services[i];
    if (service_count == MOST_SERVICES || size > LONGEST_NAME) return NULL;
    Service *service = &services[service_count++];
    for (size_t i = 0; i < size; i++) service->name[i] = name[i];
    service->name_size = size;
    define(GAUGE, service, TEXT("waiting"), &service->waiting_now);
    define(HISTOGRAM, service, TEXT("waited_ms"), &service->waited_ms);
    define(HISTOGRAM, service, TEXT("took_ms"), &service->took_ms);
    define(COUNTER, service, TEXT("ended"), &service->ended);
    define(COUNTER, service, TEXT("inside_ms"), &service->inside_ms);
    define(COUNTER, service, TEXT("full"), &service->refused_full);
    define(COUNTER, service, TEXT("late"), &service->refused_late);
    return service;
}

static void read_line(const char *at, const char *end) {
    const char *name = at;
    while (at < end && *at != ' ') at++;
    if (at == name || *name == '#') return;
    Service *service = service_named(name, (size_t)(at - name));
    if (service == NULL) return;
    service->limited = 1;
    at = number(at, end, &service->places);
    at = number(at, end, &service->most_waiting);
    number(at, end, &service->longest_ms);
}

EXPORT(proxy_on_configure) uint32_t on_configure(uint32_t context, uint32_t size) {
    uint64_t now;
    char *text = NULL;
    size_t length = 0;
    host_time(&now);  // a name of its own: a queue that two programs share wakes only one of them
    host_register((const char *)&now, sizeof now, &turns);
    woken = 0;
    if (size > 0 && host_buffer(PLUGIN_CONFIGURATION, 0, size, &text, &length) != OK) return 1;
    for (uint32_t i = 0; i < service_count; i++) services[i].limited = 0;
    for (const char *at = text, *end = text + length; at < end; at++) {
        const char *line = at;
        while (at < end && *at != '\n') at++;
        read_line(line, at);
    }
    if (waiting_in_all > 0) host_tick_every(TICK_MS);
    wake();
    return 1;
}
