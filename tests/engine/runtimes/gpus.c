/* What engine/runtimes/gpus.py asks of a CUDA driver: three GPUs, or as many as GPUS says, the last
   of them integrated. REFUSE is the result of cuInit, SERVES the driver's CUDA. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local void *current;
static int number(const char *name, int fallback) {
    const char *text = getenv(name);
    return text ? atoi(text) : fallback;
}
int cuInit(unsigned flags) { return number("REFUSE", flags); }
int cuDriverGetVersion(int *version) { *version = number("SERVES", 12080); return 0; }
int cuDeviceGetCount(int *count) { *count = number("GPUS", 3); return 0; }
int cuDeviceGet(int *device, int index) { *device = 40 + index; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
    return snprintf(name, length, "Imaginary %d", device - 40) < 0;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    memset(uuid, 0x5f, 16);
    uuid[15] = device;
    if (device == 42) uuid[0] = 0xa0;
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 18 ? device == 42 : -1;
    return 0;
}
int cuGetErrorString(int result, const char **text) {
    *text = result == 999 ? "unknown error" : NULL;
    return 0;
}
int cuCtxGetCurrent(void **context) { *context = current; return 0; }
int cuCtxSetCurrent(void *context) { current = context; return 0; }
