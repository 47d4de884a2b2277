// The judge at work on one set of histories: candidates are gathered to groups by whom they are
// blamed on, each group is tried, and what is left is told by cohort. For one judgement; one
// thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "judge/blame.h"
#include "judge/case.h"
#include "judge/judge.h"
#include "judge/scene.h"

namespace unclosed {

// What a finding stands for: who is blamed ("" for nobody), and for what.
struct GroupKey {
  std::string function, file;
  Kind kind = Kind::kOther;
  Role role = Role::kUnknown;
  std::string peer;
  std::string label;  // without blame: the way it was opened
  auto operator<=>(const GroupKey&) const = default;
};

struct Group {
  std::vector<const Member*> members;
  uint64_t healed = 0;
};

// Further numbers of what is open already, made at one line.
struct CopyGroup {
  std::vector<const Member*> members;
  std::vector<const Copy*> copies;
};

class Bench {
 public:
  Bench(const Histories& histories, const Stacks& stacks, const Policy& policy)
      : x_scene(histories, stacks, policy), x_blamer(x_scene) {}
  Judgement judge();

 private:
  using CopyGroups =
      std::map<std::tuple<std::string, std::string, uint32_t, Kind, CopyHow>, CopyGroup>;
  GroupKey key_of(const Member& member) const;
  GroupKey key_beside(const Member& member, const std::map<GroupKey, Group>& sure) const;
  void gather();
  void merge_peers();
  void gather_healed();
  Group* who_forgets(const GroupKey& key);
  void join_older_healed();
  void try_group(const GroupKey& key, const Group& group);
  bool keeps_files_by_design(const GroupKey& key, const Case& item) const;
  void try_spread();
  void try_met_once();
  CopyGroups gather_copies() const;
  void try_copies();
  bool lies_too_long(const Group& group) const;
  void take_young(const GroupKey& key, Group& group, const Case& item) const;
  std::optional<Instant> first_hand_out(const GroupKey& key) const;
  void join_older(Finding& finding, const GroupKey& key, std::vector<const Member*>& members);
  void blame_group(Finding& finding, const GroupKey& key,
                   const std::vector<const Member*>& members) const;
  void blame_by_memory(Finding& finding, const std::vector<const Member*>& members) const;
  void name_nobody(Finding& finding, const Case& item) const;
  void rest();

  Scene x_scene;
  Blamer x_blamer;
  std::map<GroupKey, Group> x_groups;
  std::vector<Member> x_healed_samples;
  std::set<const Member*> x_taken;
  Judgement x_judgement;
};

}  // namespace unclosed
