// Stacks as the judge reads them: the user's own frames, outermost first, with each function as a
// number that compares fast. A stack that is not in the book was never taken, and has no view.
// Immutable after construction; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/finding.h"
#include "model/stack.h"

namespace unclosed {

using FunctionId = uint32_t;

struct OwnFrame {
  FunctionId function = 0;
  const NamedFrame* frame = nullptr;
  Frame place = {};  // kNoModule: not known
};

struct StackView {
  std::vector<OwnFrame> own;  // outermost first
  const NamedStack* named = nullptr;
  bool truncated = false;
  bool dials_for_all = false;     // runs where a client library dials for whoever comes
  bool collector = false;         // runs under a garbage collector's finalizers
  std::vector<OwnFrame> started;  // own code that started its goroutine, outermost first
  std::string library;            // innermost frame that is not own; "" when there is none
  uint64_t shape = 0;  // of all named functions, without lines: the same path through the code
};

class Stacks {
 public:
  explicit Stacks(const StackBook& book);
  // nullptr: the stack was not taken, or was lost.
  const StackView* view(StackId id) const;
  // The view, when it holds at least one own frame; else nullptr.
  const StackView* own_view(StackId id) const;
  const std::string& name(FunctionId function) const { return x_names[function]; }

 private:
  FunctionId intern(const NamedFrame& frame);
  std::unordered_map<StackId, StackView> x_views;
  std::unordered_map<std::string, FunctionId> x_ids;
  std::vector<std::string> x_names;
};

Site site_of(const NamedFrame& frame);
// How many own frames the two stacks share, counted from the outermost. Where one of them was cut
// at its outer end, the count starts at the outermost frame that both still hold; the result is a
// length in `a`.
size_t common_length(const StackView& a, const StackView& b);
// The place of the innermost own frame of `function` in the view; nullopt when it is not there.
std::optional<size_t> place_of(const StackView& view, FunctionId function);

}  // namespace unclosed
