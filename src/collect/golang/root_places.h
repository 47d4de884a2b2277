// RootPlaces: what the places are from which the collector starts: which variable, or which frame
// of which goroutine, and how much it says to a reader. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "collect/golang/holder_graph.h"
#include "collect/golang/holders.h"
#include "collect/golang/stack_walk.h"
#include "collect/golang/variable_users.h"

namespace unclosed {

class RootPlaces {
 public:
  // All must outlive it.
  RootPlaces(GoProcess& process, const GoroutineList& list, HolderNames& names)
      : x_process(process), x_list(list), x_names(names), x_walk(process) {}

  // The less, the more it says; against links, of which each costs one.
  Result<uint32_t> cost(const RootPlace& place);
  // Whether a goroutine is parked as it was; of variables always.
  Result<bool> still(const RootPlace& place);
  // What an object is that begins with this address of code; "": no closure.
  std::string closure(uint64_t code);
  // All that is told of it, but the chain.
  Holder holder(const RootPlace& place);

 private:
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
  void place_on_stack(const LiveGoroutine& goroutine, uint64_t word, Holder& holder);

  GoProcess& x_process;
  const GoroutineList& x_list;
  HolderNames& x_names;
  StackWalk x_walk;
  std::optional<VariableUsers> x_users;
  std::optional<std::vector<Pointer>> x_pointers;  // between variables
  std::map<uint64_t, Variable> x_variables;        // by the address of a word
  std::vector<std::optional<bool>> x_own_stacks;   // of the list's stacks
};

}  // namespace unclosed
