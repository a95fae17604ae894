#include "gait.hpp"

namespace robot {

Gait gait(const Normalization &seen) {
    Gait gait{};
    for (std::size_t i = 0; i < posture; ++i) {
        gait[i] = seen.mean[i];
        gait[posture + i] = seen.deviation(i);
    }
    return gait;
}

}  // namespace robot
