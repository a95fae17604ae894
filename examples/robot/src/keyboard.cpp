#include "keyboard.hpp"

#include <array>

#include <poll.h>
#include <unistd.h>

namespace robot {

bool Keyboard::read(std::string &line) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    while (!ended_ && pending_.find('\n') == std::string::npos && poll(&input, 1, 0) > 0) {
        std::array<char, 256> bytes{};
        const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
        if (count <= 0) ended_ = true;
        else pending_.append(bytes.data(), static_cast<std::size_t>(count));
    }
    const std::size_t end = pending_.find('\n');
    if (end == std::string::npos) return false;
    line = pending_.substr(0, end);
    pending_.erase(0, end + 1);
    return true;
}

}  // namespace robot
