// Lines over a socket.
#pragma once

#include <string>

namespace lines {

// The next line without its end; empty at end of file or on an error.
std::string read(int socket);
bool write(int socket, const std::string& line);

}  // namespace lines
