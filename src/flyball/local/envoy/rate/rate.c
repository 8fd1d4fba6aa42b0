// How many requests each client address may send, as a filter in Envoy: at most so many in any window of time.
//
// The window slides: of the requests in the window before this one, those count that are still young enough, as if they
// had come evenly. A request that is refused does not count. Envoy's own limit is a bucket, which lets twice as many
// through in one window.
//
// The configuration is text, one line for each rule:
//     NAME REQUESTS WINDOW_MS ONLY_COUNT PATH
// PATH matches itself and everything below; "/" is all. With ONLY_COUNT 1 nothing is refused. The clients that were seen
// last are remembered, some ten thousand. Whatever goes wrong in here, a request goes on.
//
// Envoy runs this in one thread. `bin/build-filter` makes rate.wasm of it.

#include "../host.h"

// Rules

enum { MOST_RULES = 32, LONGEST_NAME = 64, LONGEST_PATH = 256 };

typedef struct {
    char path[LONGEST_PATH];
    size_t path_size;              // without the last slash
    uint64_t requests, window_ms;
    uint32_t only_count, metric;
} Rule;

static Rule rules[MOST_RULES];
static uint32_t rule_count;

static int applies(const Rule *rule, const char *path, size_t size) {
    if (size < rule->path_size) return 0;
    for (size_t i = 0; i < rule->path_size; i++)
        if (path[i] != rule->path[i]) return 0;
    return size == rule->path_size || path[rule->path_size] == '/' || path[rule->path_size] == '?';
}

// Clients: for each rule and address, the window that runs and the one before

enum { MOST_CLIENTS = 1 << 14, NEIGHBOURS = 8 };

typedef struct {
    uint64_t key;                  // 0: nobody
    uint64_t since_ms;             // when the window that runs began
    uint32_t now, before;
} Client;

static Client clients[MOST_CLIENTS];

static uint64_t key_of(uint32_t rule, const char *address, size_t size) {
    uint64_t key = 14695981039346656037u ^ rule;  // FNV-1a
    for (size_t i = 0; i < size; i++) key = (key ^ (uint8_t)address[i]) * 1099511628211u;
    return key ? key : 1;
}

static Client *client_of(uint64_t key, uint64_t now_ms) {
    Client *oldest = NULL;
    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        Client *client = &clients[(key + i) & (MOST_CLIENTS - 1)];
        if (client->key == key) return client;
        if (oldest == NULL || client->since_ms < oldest->since_ms) oldest = client;
    }
    *oldest = (Client){.key = key, .since_ms = now_ms};
    return oldest;
}

static int takes(const Rule *rule, Client *client, uint64_t now_ms) {
    uint64_t window = rule->window_ms;
    if (now_ms < client->since_ms || now_ms - client->since_ms >= 2 * window) {
        *client = (Client){.key = client->key, .since_ms = now_ms};
    } else if (now_ms - client->since_ms >= window) {
        client->before = client->now;
        client->now = 0;
        client->since_ms += window;
    }
    uint64_t left = window - (now_ms - client->since_ms);
    uint64_t still = (client->before * left + window - 1) / window;
    if (still + client->now >= rule->requests) return 0;
    client->now++;
    return 1;
}

static size_t without_port(const char *address, size_t size) {
    size_t end = size;
    while (end > 0 && address[end - 1] != ':') end--;
    return end > 1 ? end - 1 : size;
}

EXPORT(proxy_on_request_headers) uint32_t on_request_headers(uint32_t context, uint32_t count, uint32_t ended) {
    char *path, *address;
    size_t path_size, address_size;
    uint64_t now;
    if (host_header(REQUEST_HEADERS, TEXT(":path"), &path, &path_size) != OK) return CONTINUE;
    if (host_property(TEXT("source\0address"), &address, &address_size) != OK) return CONTINUE;
    host_time(&now);
    address_size = without_port(address, address_size);
    for (uint32_t i = 0; i < rule_count; i++) {
        Rule *rule = &rules[i];
        if (!applies(rule, path, path_size)) continue;
        if (takes(rule, client_of(key_of(i, address, address_size), now / 1000000), now / 1000000)) continue;
        host_increment(rule->metric, 1);
        if (rule->only_count) continue;
        host_answer(429, TEXT("rate_limited"), NULL, 0, NULL, 0, -1);
        return PAUSE;
    }
    return CONTINUE;
}

// Configuration

static void read_line(const char *at, const char *end) {
    static const char prefix[] = "firewall.";
    char metric[sizeof prefix + LONGEST_NAME];
    size_t size = 0;
    uint64_t only_count;
    if (rule_count == MOST_RULES) return;
    Rule *rule = &rules[rule_count];
    for (size_t i = 0; i < sizeof prefix - 1; i++) metric[size++] = prefix[i];
    for (; at < end && *at != ' '; at++)
        if (size < sizeof metric) metric[size++] = *at;
    at = number(at, end, &rule->requests);
    at = number(at, end, &rule->window_ms);
    at = number(at, end, &only_count);
    while (at < end && *at == ' ') at++;
    for (rule->path_size = 0; at < end && rule->path_size < LONGEST_PATH; at++) rule->path[rule->path_size++] = *at;
    while (rule->path_size > 0 && rule->path[rule->path_size - 1] == '/') rule->path_size--;
    if (rule->window_ms == 0) return;
    rule->only_count = (uint32_t)only_count;
    host_metric(COUNTER, metric, size, &rule->metric);
    rule_count++;
}

EXPORT(proxy_on_configure) uint32_t on_configure(uint32_t context, uint32_t size) {
    char *text = NULL;
    size_t length = 0;
    if (size > 0 && host_buffer(PLUGIN_CONFIGURATION, 0, size, &text, &length) != OK) return 1;
    rule_count = 0;
    for (const char *at = text, *end = text + length; at < end; at++) {
        const char *line = at;
        while (at < end && *at != '\n') at++;
        if (at > line) read_line(line, at);
    }
    return 1;
}

EXPORT(proxy_on_log) void on_log(uint32_t context) {}
EXPORT(proxy_on_delete) void on_delete(uint32_t context) {}
