// Who still holds descriptors, for a person: descriptors with the same way to them together. Pure;
// any thread.
#pragma once

#include <cstddef>
#include <string>

#include "model/held.h"
#include "report/text_page.h"

namespace unclosed {

// In one line: "main.sessions (map[string]*main.session)", "goroutine 37 in main.handle …".
std::string holder_words(const Holder& holder);
// "main.session.conn → net.TCPConn"; "" when the holder has the connection itself.
std::string chain_words(const Holder& holder);

// At most `top` ways.
void write_held(const HeldReport& report, size_t top, TextPage& page);

}  // namespace unclosed
