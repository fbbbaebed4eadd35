/* unit: what every unit test includes. Tests are rows {name, in, want}. */
#pragma once

// clang-format off: cmocka needs its includes in this order
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#define ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))
