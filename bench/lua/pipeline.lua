-- 16 requests in one write.
init = function(args)
  local request = wrk.format(nil, "/")
  local all = {}
  for i = 1, 16 do all[i] = request end
  sixteen = table.concat(all)
end

request = function() return sixteen end
