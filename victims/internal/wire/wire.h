// Line protocol over TCP: dial, ask, close.
#pragma once

#include <string>

namespace wire {

// A connected socket, or -1. The caller closes it.
int dial(int port);

// Sends one line and returns the answer without its line end; empty when the connection broke.
std::string ask(int socket, const std::string& line);

}  // namespace wire
