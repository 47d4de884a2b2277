// The words, glyphs and colours of a text report. Whatever comes from a target is printable. Pure;
// any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/finding.h"
#include "model/left_open.h"
#include "model/process.h"
#include "report/text_page.h"

namespace unclosed {

struct VerdictLook {
  std::string_view glyph, word;
  Ink ink;
};
VerdictLook look_of(Verdict verdict);

// "12 tcp connections" without the number.
std::string things(Kind kind, uint64_t count);
// The same of sockets that listen.
std::string listeners(Kind kind, uint64_t count);
// "12 tcp connections", "200 copies of 1 file": what a finding or a group is of.
std::string members_words(const Finding& finding);
std::string counted(uint64_t count, std::string_view one, std::string_view many);
std::string name_and_place(const Site& site);          // "main.serve  /src/main.go:9"
std::string short_name_and_place(const Site& site);    // "main.serve main.go:9"
std::string process_name(const ProcessInfo& process);  // "checkout[4242]"
std::string growth_words(double per_minute);
// "3 files opened at parse  /src/parse.cc:12 ← main parse.cc:40"
std::string left_open_words(const LeftOpen& place);
// What the diagnosis means, and what to do about it.
std::string remedy(Diagnosis diagnosis);
// Used of the most, 0 to 1; 0 for what is unlimited.
double share_of(const LimitUse& use);
std::string limit_words(const Limit& limit);
// Whether a failed attempt met a limit of this machine, not a peer.
bool is_of_a_limit(int errno_value);

}  // namespace unclosed
