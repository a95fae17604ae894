// libpdiff's structs, made ready.
#pragma once

#include <pdiff.h>

namespace robot {

// All zero, which is each field's default, and the size set.
template <typename Struct>
Struct ready() {
    Struct it;
    pdiff_init(&it, sizeof it);
    return it;
}

}  // namespace robot
