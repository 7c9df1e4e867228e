// Put before every .cu file: `real` is the floating type, chosen by -DREAL.
typedef REAL real;
#ifndef SHARED_ARRAY
#define SHARED_ARRAY(type, name, size) __shared__ type name[size]
#endif
#ifndef INFINITY  // NVRTC has no <math.h>
#define INFINITY __int_as_float(0x7f800000)
#endif
