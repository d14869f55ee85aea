// A CUDA driver in memory: `libcuda.so.1` for tests on machines without a GPU.
//
// Device memory is host memory with bounds that are checked. Every stream is a thread with a queue, so that work that is
// not ordered by events really runs in any order. Graphs are recorded and replayed. What is alive is counted, memory that
// is freed while queued work still needs it is noticed, and failures come on demand. It cannot show speed, the memory that
// TensorRT takes for itself, or what a kernel computes.
//
// Functions that begin with `double_` are those that tests call. Settings of the machine are environment variables:
// DOUBLE_DEVICES (GPUs, 2), DOUBLE_CAPABILITY (86), DOUBLE_INTEGRATED (0), DOUBLE_INIT (status of cuInit, 0),
// DOUBLE_DRIVER (CUDA that it serves, 13000).
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    ALREADY_REGISTERED = 712,
    NOT_REGISTERED = 713,
    NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_IMPLICIT = 906,
    CAPTURE_WRONG_THREAD = 908,
};
enum { MAX_DEVICES = 8, MAX_DEPTH = 32, MAX_TENSORS = 8 };

typedef struct context {
    int device;
} context;

typedef enum { DEVICE_MEMORY, HOST_MEMORY } memory_kind;

typedef struct block {
    uintptr_t begin;
    size_t bytes;
    memory_kind kind;
    context *owner;
    struct block *next;
    int mapped; // host memory that the GPU may use where it is
} block;

typedef struct event {
    context *owner;
    long recorded, done;
} event;

// The stand-in network: outputs are a number that is made from one image, plus the number of the output.
typedef struct pose {
    uint64_t images;
    uint64_t image_bytes;
    int32_t batch;
    int32_t outputs;
    uint64_t output[MAX_TENSORS];
    uint64_t count[MAX_TENSORS];  // numbers of one image
    int32_t integer[MAX_TENSORS];
    uint64_t scratch;  // 0, or the execution context's own memory, which two runs at a time would fight over
    int32_t delay_us;
} pose;

typedef enum { COPY, RECORD, WAIT, KERNEL, STOP } work_kind;

typedef struct work {
    work_kind kind;
    uintptr_t to, from;
    size_t bytes;
    event *event;
    long turn;
    pose pose;
    struct work *next;
} work;

typedef struct graph {
    work *first, *last;
} graph;

typedef struct stream {
    context *owner;
    pthread_t thread;
    work *first, *last, *running;
    int blocking, capturing, invalid;
    graph *capture;
    pthread_t capturer;
    struct stream *next;
} stream;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static context contexts[MAX_DEVICES];
static long retained_of[MAX_DEVICES];  // how often anybody opened a device
static block *blocks;
static stream *streams;
static __thread context *stack[MAX_DEPTH];
static __thread int depth;
static __thread stream *capturing_here;

static struct {
    const char *name;
    long value;
} counters[] = {
    {"device_blocks", 0}, {"host_blocks", 0}, {"streams", 0}, {"events", 0},   {"graphs", 0},   {"executables", 0},
    {"device_bytes", 0},  {"host_bytes", 0},  {"retained", 0}, {"pageable", 0}, {"freed_in_use", 0}, {"misuse", 0},
    {"kernels", 0},       {"replays", 0},     {"records", 0},  {"busiest", 0},  {"allocations", 0}, {"detached", 0},
};
static long allocation_that_fails = -1;  // how many succeed before all others fail
static int sticky, sticky_after = -1, refusal, jitter_us, waits_are_ignored;
static unsigned seed = 1;

static long *counter(const char *name) {
    for (size_t index = 0; index < sizeof counters / sizeof *counters; index++)
        if (!strcmp(counters[index].name, name)) return &counters[index].value;
    abort();
}

static void count(const char *name, long by) { __atomic_add_fetch(counter(name), by, __ATOMIC_SEQ_CST); }

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static int devices(void) { return setting("DOUBLE_DEVICES", 2); }

static context *current(void) { return depth ? stack[depth - 1] : NULL; }

// Every call but those that make a context current needs one, and fails after an error that poisoned it.
#define BEGIN                                 \
    do {                                      \
        if (!current()) return INVALID_CONTEXT; \
        if (sticky) return sticky;            \
    } while (0)

// What may not be called while this thread records.
#define NOT_WHILE_RECORDING               \
    do {                                  \
        if (capturing_here) {             \
            capturing_here->invalid = 1;  \
            return CAPTURE_UNSUPPORTED;   \
        }                                 \
    } while (0)

static int misuse(int status) {
    count("misuse", 1);
    return status;
}

static block *find(uintptr_t begin, size_t bytes, memory_kind kind) {
    for (block *each = blocks; each; each = each->next)
        if (each->kind == kind && begin >= each->begin && begin + bytes <= each->begin + each->bytes) return each;
    return NULL;
}

static int overlaps(const block *each, uintptr_t begin, size_t bytes) {
    return begin < each->begin + each->bytes && each->begin < begin + bytes;
}

static int needs(const work *item, const block *each) {
    if (item->kind == COPY) return overlaps(each, item->to, item->bytes) || overlaps(each, item->from, item->bytes);
    if (item->kind != KERNEL) return 0;
    if (overlaps(each, item->pose.images, item->pose.image_bytes * item->pose.batch)) return 1;
    for (int index = 0; index < item->pose.outputs; index++)
        if (overlaps(each, item->pose.output[index], 1)) return 1;
    return item->pose.scratch && overlaps(each, item->pose.scratch, 1);
}

static int in_use(const block *each) {
    for (stream *one = streams; one; one = one->next) {
        if (one->running && needs(one->running, each)) return 1;
        for (work *item = one->first; item; item = item->next)
            if (needs(item, each)) return 1;
    }
    return 0;
}

static int allocate(uintptr_t *begin, size_t bytes, memory_kind kind) {
    if (!bytes) return misuse(INVALID_VALUE);
    pthread_mutex_lock(&lock);
    int fails = allocation_that_fails == 0;
    if (allocation_that_fails > 0) allocation_that_fails--;
    pthread_mutex_unlock(&lock);
    count("allocations", 1);
    void *memory = NULL;
    if (fails || posix_memalign(&memory, 4096, bytes)) return OUT_OF_MEMORY;
    memset(memory, 0xCD, bytes);
    block *made = malloc(sizeof *made);
    pthread_mutex_lock(&lock);
    *made = (block){(uintptr_t)memory, bytes, kind, current(), blocks, 0};
    blocks = made;
    pthread_mutex_unlock(&lock);
    count(kind == HOST_MEMORY ? "host_blocks" : "device_blocks", 1);
    count(kind == HOST_MEMORY ? "host_bytes" : "device_bytes", (long)bytes);
    *begin = (uintptr_t)memory;
    return SUCCESS;
}

static int release(uintptr_t begin, memory_kind kind) {
    pthread_mutex_lock(&lock);
    for (block **each = &blocks; *each; each = &(*each)->next) {
        block *found = *each;
        if (found->begin != begin || found->kind != kind) continue;
        if (found->owner != current()) break;
        if (in_use(found)) count("freed_in_use", 1);
        *each = found->next;
        pthread_mutex_unlock(&lock);
        count(kind == HOST_MEMORY ? "host_blocks" : "device_blocks", -1);
        count(kind == HOST_MEMORY ? "host_bytes" : "device_bytes", -(long)found->bytes);
        memset((void *)begin, 0xEE, found->bytes);
        free((void *)begin);
        free(found);
        return SUCCESS;
    }
    pthread_mutex_unlock(&lock);
    return misuse(INVALID_VALUE);
}

// --------------------------------------------------------------------------------------------------- work on streams

static int reachable(const pose *job) {
    size_t bytes = job->image_bytes * job->batch;
    const block *shared = find(job->images, bytes, HOST_MEMORY);
    if (!find(job->images, bytes, DEVICE_MEMORY) && !(shared && shared->mapped)) return 0;
    for (int index = 0; index < job->outputs; index++)
        if (!find(job->output[index], 4 * job->count[index] * job->batch, DEVICE_MEMORY)) return 0;
    return !job->scratch || find(job->scratch, 4, DEVICE_MEMORY) != NULL;
}

static void compute(const pose *job) {
    static int number;
    int mine = __atomic_add_fetch(&number, 1, __ATOMIC_SEQ_CST);
    if (job->scratch) *(volatile int *)job->scratch = mine;
    for (int image = 0; image < job->batch; image++) {
        const uint8_t *pixels = (const uint8_t *)job->images + job->image_bytes * image;
        uint32_t sum = 0;
        for (size_t index = 0; index < job->image_bytes; index++) sum = sum * 31 + pixels[index];
        sum &= 0xFFFF;
        for (int output = 0; output < job->outputs; output++) {
            uint64_t start = job->output[output] + 4 * job->count[output] * image;
            for (uint64_t index = 0; index < job->count[output]; index++)
                if (job->integer[output])
                    ((int32_t *)start)[index] = (int32_t)(sum % 7);
                else
                    ((float *)start)[index] = (float)(sum + output);
        }
    }
    if (job->delay_us) usleep(job->delay_us);
    // Another run in the same scratch memory at the same time makes both wrong.
    if (job->scratch && *(volatile int *)job->scratch != mine) *(float *)job->output[0] = -1;
}

static void run(const work *item) {
    if (item->kind == RECORD || item->kind == WAIT) {
        pthread_mutex_lock(&lock);
        if (item->kind == RECORD && item->turn > item->event->done) item->event->done = item->turn;
        pthread_cond_broadcast(&changed);
        while (item->kind == WAIT && item->event->done < item->turn) pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        return;
    }
    if (jitter_us) usleep((useconds_t)(rand_r(&seed) % (unsigned)jitter_us));
    pthread_mutex_lock(&lock);
    int good = item->kind == KERNEL ? reachable(&item->pose)
                                    : find(item->to, item->bytes, DEVICE_MEMORY) || find(item->from, item->bytes, DEVICE_MEMORY);
    if (sticky_after > 0 && --sticky_after == 0) good = 0;
    if (!good && !sticky) sticky = ILLEGAL_ADDRESS;
    good = good && !sticky;
    pthread_mutex_unlock(&lock);
    if (!good) return;
    if (item->kind == KERNEL)
        compute(&item->pose);
    else
        memcpy((void *)item->to, (const void *)item->from, item->bytes);
}

static int busy_streams(void) {
    int busy = 0;
    for (stream *each = streams; each; each = each->next) busy += each->running && each->running->kind != WAIT;
    return busy;
}

static void *work_through(void *argument) {
    stream *self = argument;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!self->first) pthread_cond_wait(&changed, &lock);
        work *item = self->running = self->first;
        self->first = item->next;
        if (!self->first) self->last = NULL;
        long busy = busy_streams();
        if (busy > *counter("busiest")) *counter("busiest") = busy;
        pthread_mutex_unlock(&lock);
        if (item->kind == STOP) return free(item), NULL;
        run(item);
        pthread_mutex_lock(&lock);
        self->running = NULL;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        free(item);
    }
}

static void append(work **first, work **last, work item) {
    work *made = malloc(sizeof *made);
    *made = item;
    made->next = NULL;
    if (*last)
        (*last)->next = made;
    else
        *first = made;
    *last = made;
}

static void queue(stream *target, work item) {
    pthread_mutex_lock(&lock);
    append(&target->first, &target->last, item);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int put(stream *target, work item) {
    if (!target || target->owner != current()) return misuse(INVALID_HANDLE);
    if (target->capturing) {
        if (!pthread_equal(target->capturer, pthread_self())) return CAPTURE_WRONG_THREAD;
        append(&target->capture->first, &target->capture->last, item);
    } else {
        queue(target, item);
    }
    return SUCCESS;
}

static int wait_until_idle(stream *target) {
    pthread_mutex_lock(&lock);
    while (target->first || target->running) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return sticky;
}

static void forget(graph *recorded) {
    while (recorded->first) {
        work *item = recorded->first;
        recorded->first = item->next;
        free(item);
    }
    free(recorded);
}

// ------------------------------------------------------------------------------------------------- devices, contexts

API int cuInit(unsigned flags) {
    int status = setting("DOUBLE_INIT", 0);
    return status ? status : devices() ? SUCCESS : NO_DEVICE;
}
API int cuDriverGetVersion(int *version) { return *version = setting("DOUBLE_DRIVER", 13000), SUCCESS; }
API int cuDeviceGetCount(int *number) { return *number = devices(), SUCCESS; }
API int cuDeviceGet(int *device, int ordinal) {
    if (ordinal < 0 || ordinal >= devices()) return INVALID_DEVICE;
    return *device = ordinal, SUCCESS;
}
API int cuDeviceGetName(char *name, int bytes, int device) {
    return snprintf(name, (size_t)bytes, "Memory %d", device), SUCCESS;
}
API int cuDeviceComputeCapability(int *major, int *minor, int device) {
    int capability = setting("DOUBLE_CAPABILITY", 86);
    return *major = capability / 10, *minor = capability % 10, SUCCESS;
}
API int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = (size_t)1 << 34, SUCCESS; }
API int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int capability = setting("DOUBLE_CAPABILITY", 86);
    enum { INTEGRATED = 18, MAJOR = 75, MINOR = 76 };
    *value = attribute == INTEGRATED ? setting("DOUBLE_INTEGRATED", 0)
             : attribute == MAJOR    ? capability / 10
             : attribute == MINOR    ? capability % 10
                                     : 1;
    return SUCCESS;
}
API int cuDeviceGetUuid_v2(unsigned char uuid[16], int device) {
    memset(uuid, 0x10 + device, 16);
    return SUCCESS;
}
API int cuDeviceGetPCIBusId(char *text, int bytes, int device) {
    return snprintf(text, (size_t)bytes, "0000:%02x:00.0", device + 1), SUCCESS;
}
API int cuDevicePrimaryCtxRetain(context **made, int device) {
    contexts[device].device = device;
    *made = &contexts[device];
    count("retained", 1);
    __atomic_add_fetch(&retained_of[device], 1, __ATOMIC_SEQ_CST);
    return SUCCESS;
}
API int cuDevicePrimaryCtxRelease_v2(int device) { return count("retained", -1), SUCCESS; }
API int cuDevicePrimaryCtxRelease(int device) { return cuDevicePrimaryCtxRelease_v2(device); }
API int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { return *flags = 0, *active = 0, SUCCESS; }
API int cuDevicePrimaryCtxSetFlags(int device, unsigned flags) { return SUCCESS; }
// For contexts of cuCtxCreate only; the driver's documentation does not allow it for primary ones.
API int cuCtxDetach(context *which) { return count("detached", 1), misuse(INVALID_CONTEXT); }
API int cuCtxPushCurrent_v2(context *which) {
    if (depth == MAX_DEPTH) return misuse(INVALID_VALUE);
    stack[depth++] = which;
    return SUCCESS;
}
API int cuCtxPopCurrent_v2(context **which) {
    if (!depth) return misuse(INVALID_CONTEXT);
    *which = stack[--depth];
    return SUCCESS;
}
API int cuCtxGetCurrent(context **which) { return *which = current(), SUCCESS; }
API int cuCtxSetCurrent(context *which) {
    if (!depth) return cuCtxPushCurrent_v2(which);
    return stack[depth - 1] = which, SUCCESS;
}
API int cuCtxGetDevice(int *device) {
    BEGIN;
    return *device = current()->device, SUCCESS;
}
API int cuCtxSynchronize(void) {
    BEGIN;
    NOT_WHILE_RECORDING;
    for (stream *each = streams; each; each = each->next)
        if (each->owner == current()) wait_until_idle(each);
    return sticky;
}

// ------------------------------------------------------------------------------------------------------------ memory

API int cuMemAlloc_v2(uint64_t *begin, size_t bytes) {
    BEGIN;
    NOT_WHILE_RECORDING;
    return allocate(begin, bytes, DEVICE_MEMORY);
}
API int cuMemFree_v2(uint64_t begin) {
    BEGIN;
    NOT_WHILE_RECORDING;
    return release(begin, DEVICE_MEMORY);
}
API int cuMemHostAlloc(void **begin, size_t bytes, unsigned flags) {
    BEGIN;
    NOT_WHILE_RECORDING;
    enum { DEVICEMAP = 2 };
    int result = allocate((uintptr_t *)begin, bytes, HOST_MEMORY);
    if (result) return result;
    pthread_mutex_lock(&lock);
    find((uintptr_t)*begin, bytes, HOST_MEMORY)->mapped = !!(flags & DEVICEMAP);
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}
API int cuMemFreeHost(void *begin) {
    BEGIN;
    NOT_WHILE_RECORDING;
    return release((uintptr_t)begin, HOST_MEMORY);
}
// Mapped memory is the same memory.
API int cuMemHostGetDevicePointer_v2(uint64_t *device, void *host, unsigned flags) {
    BEGIN;
    pthread_mutex_lock(&lock);
    const block *found = find((uintptr_t)host, 1, HOST_MEMORY);
    int mapped = found && found->mapped;
    pthread_mutex_unlock(&lock);
    if (!mapped) return misuse(INVALID_VALUE);
    return *device = (uintptr_t)host, SUCCESS;
}
API int cuMemGetInfo_v2(size_t *unused, size_t *total) {
    BEGIN;
    *total = (size_t)1 << 34;
    return *unused = *total - (size_t)*counter("device_bytes"), SUCCESS;
}

static int copy(uintptr_t to, uintptr_t from, uintptr_t device, uintptr_t host, size_t bytes, stream *target) {
    pthread_mutex_lock(&lock);
    block *there = find(device, bytes, DEVICE_MEMORY);
    int known = there && there->owner == current(), pinned = find(host, bytes, HOST_MEMORY) != NULL;
    pthread_mutex_unlock(&lock);
    if (!known) return misuse(INVALID_VALUE);
    if (!pinned) count("pageable", 1);
    return put(target, (work){.kind = COPY, .to = to, .from = from, .bytes = bytes});
}
API int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, stream *target) {
    BEGIN;
    return copy(to, (uintptr_t)from, to, (uintptr_t)from, bytes, target);
}
API int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, stream *target) {
    BEGIN;
    return copy((uintptr_t)to, from, from, (uintptr_t)to, bytes, target);
}

// --------------------------------------------------------------------------------------------------- streams, events

API int cuStreamCreate(stream **made, unsigned flags) {
    BEGIN;
    NOT_WHILE_RECORDING;
    stream *new = calloc(1, sizeof *new);
    new->owner = current();
    new->blocking = !(flags & 1);
    pthread_mutex_lock(&lock);
    new->next = streams;
    streams = new;
    pthread_mutex_unlock(&lock);
    pthread_create(&new->thread, NULL, work_through, new);
    count("streams", 1);
    return *made = new, SUCCESS;
}
API int cuStreamDestroy_v2(stream *old) {
    if (!current()) return INVALID_CONTEXT;
    queue(old, (work){.kind = STOP});
    pthread_join(old->thread, NULL);
    if (capturing_here == old) capturing_here = NULL;
    pthread_mutex_lock(&lock);
    for (stream **each = &streams; *each; each = &(*each)->next)
        if (*each == old) {
            *each = old->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    free(old);
    count("streams", -1);
    return sticky;
}
API int cuStreamSynchronize(stream *target) {
    BEGIN;
    if (target->capturing) return target->invalid = 1, CAPTURE_UNSUPPORTED;
    return wait_until_idle(target);
}
API int cuStreamQuery(stream *target) {
    BEGIN;
    return target->first || target->running ? NOT_READY : SUCCESS;
}
API int cuStreamWaitEvent(stream *target, event *which, unsigned flags) {
    BEGIN;
    if (waits_are_ignored) return SUCCESS;
    pthread_mutex_lock(&lock);
    long turn = which->recorded;
    pthread_mutex_unlock(&lock);
    return put(target, (work){.kind = WAIT, .event = which, .turn = turn});
}
API int cuEventCreate(event **made, unsigned flags) {
    BEGIN;
    *made = calloc(1, sizeof **made);
    (*made)->owner = current();
    count("events", 1);
    return SUCCESS;
}
API int cuEventDestroy_v2(event *old) {  // its memory stays: queued work may still name it
    if (!current()) return INVALID_CONTEXT;
    count("events", -1);
    return sticky;
}
API int cuEventRecord(event *which, stream *target) {
    BEGIN;
    if (target->capturing) return target->invalid = 1, CAPTURE_UNSUPPORTED;
    pthread_mutex_lock(&lock);
    long turn = ++which->recorded;
    pthread_mutex_unlock(&lock);
    count("records", 1);
    return put(target, (work){.kind = RECORD, .event = which, .turn = turn});
}
API int cuEventSynchronize(event *which) {
    BEGIN;
    NOT_WHILE_RECORDING;
    pthread_mutex_lock(&lock);
    while (which->done < which->recorded) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return sticky;
}
API int cuEventQuery(event *which) {
    BEGIN;
    return which->done < which->recorded ? NOT_READY : SUCCESS;
}

// ------------------------------------------------------------------------------------------------------------ graphs

API int cuStreamBeginCapture_v2(stream *target, int mode) {
    BEGIN;
    if (target->capturing) return misuse(INVALID_VALUE);
    if (refusal == 1) return NOT_SUPPORTED;
    target->capture = calloc(1, sizeof *target->capture);
    target->invalid = refusal == 2;
    target->capturer = pthread_self();
    target->capturing = 1;
    capturing_here = target;
    return SUCCESS;
}
API int cuStreamEndCapture(stream *target, graph **made) {
    *made = NULL;
    if (!current()) return INVALID_CONTEXT;
    if (!target->capturing) return sticky ? sticky : misuse(INVALID_VALUE);
    if (!pthread_equal(target->capturer, pthread_self())) return CAPTURE_WRONG_THREAD;
    target->capturing = 0;
    capturing_here = NULL;
    if (sticky) return forget(target->capture), sticky;
    if (target->invalid) return forget(target->capture), CAPTURE_INVALIDATED;
    count("graphs", 1);
    return *made = target->capture, SUCCESS;
}
API int cuGraphInstantiateWithFlags(graph **made, graph *recorded, unsigned long long flags) {
    BEGIN;
    if (refusal == 3) return NOT_SUPPORTED;
    graph *executable = calloc(1, sizeof *executable);
    for (work *item = recorded->first; item; item = item->next)
        append(&executable->first, &executable->last, *item);
    count("executables", 1);
    return *made = executable, SUCCESS;
}
API int cuGraphLaunch(graph *executable, stream *target) {
    BEGIN;
    count("replays", 1);
    for (work *item = executable->first; item; item = item->next) put(target, *item);
    return SUCCESS;
}
API int cuGraphDestroy(graph *old) { return forget(old), count("graphs", -1), SUCCESS; }
API int cuGraphExecDestroy(graph *old) { return forget(old), count("executables", -1), sticky; }

API int cuGetErrorString(int status, const char **text) {
    static __thread char buffer[64];
    snprintf(buffer, sizeof buffer, "status %d", status);
    return *text = buffer, SUCCESS;
}
API int cuGetErrorName(int status, const char **text) { return cuGetErrorString(status, text); }

// ------------------------------------------------------------------------------------------------- for tests to call

// How many of something are alive, or happened so far.
API long double_count(const char *name) { return *counter(name); }
API void double_forget(const char *name) { *counter(name) = 0; }
// Allocations fail after so many more (pycuda tries twice); -1: none does.
API void double_fail_allocation(long succeeding) { allocation_that_fails = succeeding; }
// 0: graphs can be recorded; 1: the driver does not begin; 2: a recording is lost; 3: it cannot be instantiated.
API void double_refuse_graphs(int how) { refusal = how; }
// The context is dead from the given piece of work on, as after a kernel's illegal address; 0 makes it whole again.
API void double_die_after(int pieces) {
    pthread_mutex_lock(&lock);
    sticky_after = pieces ? pieces : -1;
    if (!pieces) sticky = 0;
    pthread_mutex_unlock(&lock);
}
// How often the primary context of a device was opened, by whomever.
API long double_retained(int device) { return __atomic_load_n(&retained_of[device], __ATOMIC_SEQ_CST); }
// Blocks of memory on a device that are there.
API long double_blocks(int device) {
    long found = 0;
    pthread_mutex_lock(&lock);
    for (block *each = blocks; each; each = each->next)
        found += each->kind == DEVICE_MEMORY && each->owner->device == device;
    pthread_mutex_unlock(&lock);
    return found;
}
// The context is dead from now on.
API void double_die(void) { sticky = ILLEGAL_ADDRESS; }
// Every piece of work begins up to so much later.
API void double_jitter(int us) { jitter_us = us; }
// Streams go on without waiting for events, to see whether tests notice.
API void double_ignore_waits(int ignored) { waits_are_ignored = ignored; }
// What a copy on the legacy default stream does to recordings on blocking streams, whoever makes them.
API int double_use_legacy_stream(void) {
    int status = SUCCESS;
    pthread_mutex_lock(&lock);
    for (stream *each = streams; each; each = each->next)
        if (each->capturing && each->blocking) each->invalid = 1, status = CAPTURE_IMPLICIT;
    pthread_mutex_unlock(&lock);
    return status;
}
// The stand-in network on a stream.
API int double_run(stream *target, const pose *job) {
    BEGIN;
    if (!target->capturing) count("kernels", 1);
    return put(target, (work){.kind = KERNEL, .pose = *job});
}
