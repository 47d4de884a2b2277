#include "textflag.h"

// func callerFramePointer() uintptr
TEXT ·callerFramePointer(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ BP, ret+0(FP)
	RET
