// The harbour office: answers questions on an address of its own.
#pragma once

#include <string>

namespace office {
std::string open();
}
