-- hear.lua FOLDER EXPORTS NAME [PARAMETER VALUE]...: opens the session, sets parameters by their names, tells all that
-- are told to be, exports half a second as EXPORTS/NAME.wav and saves.
AudioEngine:set_backend ("None (Dummy)", "", "")
local session = load_session (arg[1], "session")
assert (session, "no session")
local part
for route in session:get_routes ():iter () do
  local place = 0
  while not route:nth_plugin (place):isnil () do
    if route:nth_plugin (place):display_name () == "foleyd" then part = route:nth_plugin (place) end
    place = place + 1
  end
end
assert (part, "no plugin")
local plugin = part:to_plugininsert ():plugin (0)
local wanted = {}
for k = 4, #arg - 1, 2 do wanted[arg[k]] = tonumber (arg[k + 1]) end
for number = 0, plugin:parameter_count () - 1 do
  local name = plugin:parameter_label (number)
  if wanted[name] then
    assert (ARDOUR.LuaAPI.set_processor_param (part, number, wanted[name]), name .. " is refused")
  end
  print ("parameter\t" .. name .. "\t" .. string.format ("%.6f", ARDOUR.LuaAPI.get_processor_param (part, number, 0)))
end
local export = session:simple_export ()
-- "WAV @ session-rate", which every Ardour brings
assert (export:set_preset ("75969a1c-3133-4694-864b-a1fa50e43348"), "no such format")
export:set_folder (arg[2])
export:set_name (arg[3])
export:set_range (0, 24000)
assert (export:run_export (), "no export")
session:save_state ("")
close_session ()
print ("done")
quit ()
