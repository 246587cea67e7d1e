-- make.lua FOLDER: a session with the plugin on a MIDI track.
AudioEngine:set_backend ("None (Dummy)", "", "")
local session = create_session (arg[1], "session", 48000)
assert (session, "no session")
local midi, stereo = ARDOUR.ChanCount (ARDOUR.DataType ("midi"), 1), ARDOUR.ChanCount (ARDOUR.DataType ("audio"), 2)
local track = session:new_midi_track (
  midi, stereo, true, ARDOUR.PluginInfo (), nil, nil, 1, "Foley", ARDOUR.PresentationInfo.max_order,
  ARDOUR.TrackMode.Normal, true
):front ()
local parts = {
  ARDOUR.LuaAPI.new_luaproc (session, "One Note"),
  ARDOUR.LuaAPI.new_plugin (session, "foleyd", ARDOUR.PluginType.VST3, "")
}
for place, part in ipairs (parts) do
  assert (not part:isnil (), "no part " .. place)
  assert (track:add_processor_by_index (part, place - 1, nil, true) == 0, "part " .. place .. " is refused")
end
session:add_master_bus (stereo)
-- by hand: Ardour's own thread does it at some time, to whatever is there by then
for side = 0, 1 do
  local bus = session:master_out ():input ():audio (side):name ()
  assert (track:output ():audio (side):connect (bus) == 0 or track:output ():audio (side):connected_to (bus), "no way to " .. bus)
end
session:save_state ("")
close_session ()
print ("done")
quit ()
