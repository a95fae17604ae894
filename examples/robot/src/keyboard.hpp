// Lines of the standard input as they come, without waiting for any.
#pragma once

#include <string>

namespace robot {

class Keyboard {
public:
    // Puts the next whole line into `line`, if one is there.
    bool read(std::string &line);

    // Whether no more lines will come.
    bool ended() const { return ended_; }

private:
    std::string pending_;
    bool ended_ = false;
};

}  // namespace robot
