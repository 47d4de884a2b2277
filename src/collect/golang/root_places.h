// RootPlaces: what the places are from which the collector starts: which variable, or which frame
// of which goroutine, and how much it says to a reader. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "collect/golang/goroutine_kinds.h"
#include "collect/golang/holder_graph.h"
#include "collect/golang/holders.h"
#include "collect/golang/stack_walk.h"
#include "collect/golang/variable_users.h"

namespace unclosed {

class RootPlaces {
 public:
  // All must outlive it.
  RootPlaces(GoProcess& process, const GoroutineList& list, HolderNames& names)
      : x_process(process), x_list(list), x_kinds(list), x_names(names), x_walk(process) {}

  // Whether its function still uses a word of a stack, as far as the compiler says.
  enum class Use : uint8_t { kUsed, kMaybe, kUnused };
  Use use(const RootPlace& place);
  // The less, the more it says; against links, of which each costs one.
  Result<uint32_t> cost(const RootPlace& place);
  // How long it keeps what it leads to: a variable of the program always, then main, then the one
  // that began first; of many goroutines alike each comes and goes.
  Result<RootRank> rank(const RootPlace& place);
  // Whether it is a variable of the runtime itself.
  Result<bool> of_runtime(const RootPlace& place);
  // Whether a goroutine is parked as it was; of variables always.
  Result<bool> still(const RootPlace& place);
  // What an object is that begins with this address of code; "": no closure.
  std::string closure(uint64_t code);
  // All that is told of it, but the chain.
  Holder holder(const RootPlace& place);

 private:
  // One goroutine's, walked: its calls, and where the frame of each ends.
  struct Stack {
    uint32_t goroutine = UINT32_MAX;
    uint64_t sp = 0;
    std::vector<uint64_t> pcs;    // of the calls
    std::vector<uint32_t> slots;  // of their return addresses, from sp
    // Words that point into the stack itself: where to, and where they lie; in order.
    std::vector<std::pair<uint64_t, uint64_t>> inner;
  };
  struct Variable {
    HolderKind kind = HolderKind::kVariable;
    GoVariable named;
    std::vector<std::string> used_by;
  };
  Result<const Variable*> variable(uint64_t word);
  Status read_users();
  using Pointer = std::pair<uint64_t, uint64_t>;  // its value, and where it lies
  Result<std::optional<Pointer>> pointer_to(uint64_t address);
  Result<std::optional<GoVariable>> named(uint64_t& address);
  bool own_stack(uint32_t stack);
  bool in_own_frame(const RootPlace& place);
  void place_on_stack(uint32_t goroutine, uint64_t word, Holder& holder);
  const Stack& stack_of(uint32_t goroutine);
  size_t frame_of(const Stack& stack, uint64_t word);
  Use use_in_frame(const Stack& stack, size_t frame, uint64_t word);
  static Use use_in_object(const Stack& stack, uint64_t start, uint64_t size);
  const std::optional<GoFrameMap>& map_at(uint64_t pc);

  GoProcess& x_process;
  const GoroutineList& x_list;
  GoroutineKinds x_kinds;
  HolderNames& x_names;
  StackWalk x_walk;
  std::optional<VariableUsers> x_users;
  std::optional<std::vector<Pointer>> x_pointers;        // between variables
  Stack x_stack;                                         // the last one
  std::map<uint64_t, std::optional<GoFrameMap>> x_maps;  // by pc
  std::map<uint64_t, Variable> x_variables;              // by the address of a word
  std::vector<std::optional<bool>> x_own_stacks;         // of the list's stacks
};

}  // namespace unclosed
