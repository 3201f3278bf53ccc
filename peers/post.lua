-- wrk posts the lines of a file in turn: wrk … -s post.lua URL -- file token [delay in ms] [seconds until it falls silent]
-- A thread prepares all requests before the load begins. After it fell silent, open requests are answered, and counted.
local requests, turn = {}, 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. arguments[2] }
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
  if arguments[3] then
    local pause, silent = tonumber(arguments[3]), os.time() + tonumber(arguments[4])
    delay = function() return os.time() < silent and pause or 3600000 end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"answers": %d, "seconds": %.6f, "refused": %d, "lost": %d, "p50": %.6f, "p99": %.6f}\n',
    summary.requests, summary.duration / 1e6, errors.status, lost,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
