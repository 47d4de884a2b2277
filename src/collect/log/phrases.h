// Phrases: the words by which drivers, pools, servers and kernels tell of trouble with connections,
// as one table, and the search for all of them at once. Words that somebody else writes for another
// reason are found as well; what a phrase must or must not stand with keeps that rare. Letters are
// compared without case, whole words only. Immutable once made; any thread.
//
// To add one: a line of the table in phrases.cc with the words as the library writes them, and a
// line of a real log in phrases_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "model/trouble.h"

namespace unclosed {

struct Phrase {
  std::string_view words;
  Trouble kind;
  std::string_view from;         // who writes it
  std::string_view also = {};    // what the line must hold too
  std::string_view unless = {};  // what it must not hold
};
std::span<const Phrase> phrases();

class PhraseFinder {
 public:
  // The one that knows the table; made at the first call.
  static const PhraseFinder& instance();
  // Each kind at most once, by its first phrase in the line.
  void find(std::string_view line, const std::function<void(const Phrase&)>& found) const;

 private:
  PhraseFinder();
  void link();

  static constexpr size_t kSigns = 64;
  struct Node {
    std::array<uint16_t, kSigns> next{};
    int16_t phrase = -1;   // that ends here
    uint16_t shorter = 0;  // the longest proper end of this node that ends a phrase; 0: none
  };
  uint8_t x_sign[256] = {};
  std::vector<Node> x_nodes;
};

}  // namespace unclosed
