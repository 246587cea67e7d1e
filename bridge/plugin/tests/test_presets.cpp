#include <doctest/doctest.h>

#include <thread>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#endif

#include "folder.h"
#include "shelf.h"

using namespace foleyd;

namespace {

const std::string bells = R"({
  "format": 1,
  "title": "Bells",
  "colour scheme": {"dark": true},
  "presets": [
    {
      "name": "Doorbell",
      "mood": "old",
      "tags": ["door"],
      "recipe": {"prompt": "an old doorbell", "echo": 3, "seconds": 2, "seed": [7, 9]},
      "play": {"gain": -3, "mode": "gate", "release": 200, "wobble": 0.5, "colour": "#aabbcc"}
    }
  ]
}
)";

std::string refusal(const std::string& bytes) {
    try {
        read_bank("b", bytes, "b.json");
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

std::shared_ptr<Link> nobody() {
    return std::make_shared<Link>([] { return std::filesystem::path("/nonexistent/foleyd.json"); });
}

void settle(const Shelf& shelf) {
    while (shelf.busy()) std::this_thread::yield();
}

OrderedJson preset(const std::string& name, const std::string& prompt) {
    return OrderedJson{{"name", name}, {"recipe", OrderedJson{{"prompt", prompt}}}};
}

}  // namespace

TEST_CASE("a bank is read with all that is known of it") {
    const auto bank = read_bank("bells", bells, "bells.json");
    CHECK(bank.title == "Bells");
    REQUIRE(bank.presets.size() == 1);
    const auto& one = bank.presets[0];
    CHECK(one.prompt() == "an old doorbell");
    CHECK(one.seeds == std::vector<int>{7, 9});
    CHECK_FALSE(one.recipe.contains("echo"));
    const auto play = settings_of(one);
    CHECK(play == std::vector<std::pair<Field, float>>{{Field::gain, -3.0f}, {Field::mode, 1.0f}, {Field::release, 200.0f}});
}

TEST_CASE("a bank with a mistake is refused whole, with the line and the reason") {
    const auto with = [](const std::string& from, const std::string& to) {
        auto text = bells;
        text.replace(text.find(from), from.size(), to);
        return refusal(text);
    };
    CHECK(refusal(bells) == "");
    CHECK(with("-3", "40") == "b.json, line 11: gain is 40: give a number, -60 to 12.");
    CHECK(with("\"seconds\": 2", "\"seconds\": 2000") == "b.json, line 10: seconds is 2000: give a number, 0.3 to 600.");
    CHECK(with("[7, 9]", "[7,\n -9]") == "b.json, line 11: seed is -9: give a number, a list of numbers, or 'random'.");
    CHECK(with("\"format\": 1", "\"format\": 2") == "b.json, line 2: format is 2: this foleyd reads 1 only.");
    CHECK(with("\"tags\": [\"door\"]", "\"tags\": [\"a,b\"]").rfind("b.json, line 9: a tag is 'a,b'", 0) == 0);
    CHECK(with("\"mood\"", "\"name\"") == "b.json, line 8: 'name' is given twice: keep one of them.");
    CHECK(with("\"prompt\"", "\"promt\"") == "b.json, line 10: the recipe has no prompt: say in words what to hear.");
    CHECK(with("[\"door\"],", "[\"door\"]").find("b.json, line 10: this is not JSON") == 0);
    CHECK(with("old doorbell", "old \xff").find("line 10: this is not JSON in UTF-8") != std::string::npos);
    CHECK(with("\"gate\"", "\"gait\"").find("mode is 'gait': give one of one-shot, gate, loop, toggle.") != std::string::npos);
    CHECK(refusal(std::string(100000, '[')).find("too deep") != std::string::npos);
    CHECK(refusal("{\"presets\": [], \"x\": 1e999}").find("number") != std::string::npos);
    CHECK(refusal("[]").find("a bank is []: give an object") != std::string::npos);
    CHECK(refusal(std::string(std::size_t{5} << 20, ' ')).find("larger than 4 MiB") != std::string::npos);
    for (std::size_t cut = 0; cut + 2 < bells.size(); ++cut) CHECK(refusal(bells.substr(0, cut)) != "");
}

TEST_CASE("a preset that is put into a bank keeps what is not known, in its place") {
    const auto bank = read_bank("bells", bells, "bells.json");
    const auto changed = with_preset(bank, OrderedJson{{"name", "doorbell"},
                                                       {"recipe", OrderedJson{{"prompt", "a new bell"}}},
                                                       {"play", OrderedJson{{"gain", -1.5}, {"pan", 0.5}}}});
    REQUIRE(changed.presets.size() == 1);
    const auto& row = changed.document["presets"][0];
    CHECK(row["mood"] == "old");
    CHECK(row["tags"] == OrderedJson::array({"door"}));
    CHECK(row["recipe"] == OrderedJson{{"prompt", "a new bell"}, {"echo", 3}});
    CHECK(row["play"] == OrderedJson{{"gain", -1.5}, {"wobble", 0.5}, {"pan", 0.5}});
    CHECK(changed.document["colour scheme"]["dark"] == true);
    CHECK(with_preset(bank, preset("Gong", "a gong")).presets.size() == 2);
    CHECK_THROWS_AS(with_preset(bank, preset("a/b", "a gong")), std::invalid_argument);
    CHECK_THROWS_AS(with_preset(bank, preset("Empty", "")), std::invalid_argument);
}

TEST_CASE("the user's banks go before those that ship, and a broken one says why") {
    const Folder user, shipped;
    shipped.write("bells.json", bells);
    shipped.write("schema.json", "{}");
    shipped.write("Not A Bank.json", "{}");
    user.write("torn.json", "{\n");
    const BankFiles files(user.path, shipped.path);
    auto all = files.all();
    REQUIRE(all.size() == 2);
    CHECK(all[0].bank.presets.size() == 1);
    CHECK_FALSE(all[0].bank.users);
    CHECK(all[1].problem.find("torn.json, line 2: this is not JSON") != std::string::npos);
    CHECK_THROWS_AS(files.put("torn", preset("Gong", "a gong"), true), std::invalid_argument);
    CHECK(user.read("torn.json") == "{\n");
    files.put("bells", preset("Gong", "a gong"), false);
    CHECK(shipped.read("bells.json") == bells);
    all = files.all();
    CHECK(all[0].bank.users);
    CHECK(all[0].bank.presets.size() == 2);
    CHECK_THROWS_AS(files.put("bells", preset("gong", "another"), false), std::invalid_argument);
    CHECK_THROWS_AS(files.put("../bells", preset("gong", "another"), false), std::invalid_argument);
}

TEST_CASE("a bank that somebody else has changed is not overwritten") {
    const Folder user;
    user.write("bells.json", bells);
    const BankFiles files(user.path, {});
    const auto mine = with_preset(files.get("bells"), preset("Gong", "a gong"));
    const auto theirs = files.save(with_preset(files.get("bells"), preset("Bowl", "a singing bowl")));
    CHECK_THROWS_WITH_AS(files.save(mine), doctest::Contains("was changed by another program"), std::invalid_argument);
    CHECK(files.get("bells").document == theirs.document);
    std::filesystem::remove(user.path / "bells.json");
    CHECK_THROWS_WITH_AS(files.save(theirs), doctest::Contains("was removed"), std::invalid_argument);
}

#ifndef _WIN32
TEST_CASE("who holds the lock is waited for, and not for ever") {
    const Folder user;
    const BankFiles files(user.path, {});
    const int held = open((user.path / "bells.json.lock").c_str(), O_RDWR | O_CREAT, 0644);
    REQUIRE(flock(held, LOCK_EX) == 0);
    CHECK_THROWS_WITH_AS(files.put("bells", preset("Gong", "a gong"), false, 0.05), doctest::Contains("another program is writing"),
                         std::invalid_argument);
    CHECK_FALSE(std::filesystem::exists(user.path / "bells.json"));
    std::thread other([&] { files.put("bells", preset("Gong", "a gong"), false, 100); });
    close(held);
    other.join();
    CHECK(files.get("bells").presets.size() == 1);
    CHECK(std::filesystem::exists(user.path / "bells.json.lock"));
}
#endif

TEST_CASE("a preset on a pad brings words, the next of its seeds and how it plays, and can be taken back") {
    Board board(nobody());
    const auto bank = read_bank("bells", bells, "bells.json");
    board.set(0, Field::pan, 0.25f);
    board.load_preset(0, "bells", bank.presets[0]);
    CHECK(board.view(0).recipe == Json{{"prompt", "an old doorbell"}, {"seconds", 2.0}, {"seed", 7}});
    CHECK(board.view(0).locked);
    CHECK(board.engine.pads[0].get(Field::gain) == -3);
    CHECK(board.engine.pads[0].get(Field::pan) == 0.25f);   // left out: stays as it was
    CHECK(board.engine.pads[0].mode() == Mode::gate);
    board.load_preset(0, "bells", bank.presets[0]);
    CHECK(board.view(0).recipe["seed"] == 9);
    board.undo();
    board.undo();
    CHECK(board.view(0).recipe.empty());
    CHECK(board.engine.pads[0].get(Field::gain) == 0);
    auto other = bank.presets[0];
    other.recipe["operation"] = "restyle";
    board.load_preset(0, "bells", other);
    CHECK(board.view(0).failure.find("starts from another sound") != std::string::npos);
    CHECK(board.view(0).recipe.empty());
    other.recipe["operation"] = "loop";
    board.load_preset(0, "bells", other);
    CHECK(board.view(0).recipe["operation"] == "loop");
    const auto state = board.save();
    Board again(nobody());
    again.load(state.data(), state.size());
    CHECK(again.view(0).recipe == board.view(0).recipe);
}

TEST_CASE("a pad is saved as a preset that loads as the same pad") {
    const Folder user;
    Board board(nobody());
    Shelf shelf(board, BankFiles(user.path, {}));
    shelf.save_preset(2, "mine", "Nothing", false);
    settle(shelf);
    CHECK(shelf.view().said.find("no prompt") != std::string::npos);
    CHECK(shelf.view().failed);
    board.set_recipe(2, {{"prompt", "rain on tin"}, {"bars", 2.0}, {"seed", 5}, {"steps", 9}});
    board.set(2, Field::gain, -6.1f);
    board.set(2, Field::quantise, 2);
    board.set(2, Field::start, 0.125f);
    shelf.save_preset(2, "mine", "Tin", false);
    settle(shelf);
    CHECK_FALSE(shelf.view().failed);
    const auto saved = BankFiles(user.path, {}).get("mine").presets.at(0);
    CHECK(saved.recipe["bpm"] == 120.0);   // bars need a tempo elsewhere
    CHECK(saved.seeds.empty());            // it was not locked
    board.lock(2, true);
    shelf.save_preset(2, "mine", "Tin", true);
    settle(shelf);
    const auto locked = BankFiles(user.path, {}).get("mine").presets.at(0);
    CHECK(locked.seeds == std::vector<int>{5});
    board.load_preset(9, "mine", locked);
    CHECK(board.view(9).recipe == board.view(2).recipe);
    for (std::size_t k = 0; k < field_count; ++k)
        CHECK(board.engine.pads[9].get(static_cast<Field>(k)) == doctest::Approx(board.engine.pads[2].get(static_cast<Field>(k))));
    shelf.save_preset(2, "Mine!", "Tin", true);
    settle(shelf);
    CHECK(shelf.view().said.find("no name of a bank") != std::string::npos);
}
