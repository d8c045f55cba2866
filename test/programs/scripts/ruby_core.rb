# Ruby: JSON, files, processes, threads, sockets.
# sentinel: as=root,nobody
require "json"
require "socket"
require "tempfile"
require "fileutils"
require "open3"
require "digest"
require "set"
require "timeout"
require "net/http"
doc = JSON.parse('{"a":[1,2.5,null,true,"\u00fc"],"b":{"c":"d"}}')
puts JSON.pretty_generate(doc), doc.dig("b", "c")
begin
  JSON.parse("{bad")
rescue JSON::ParserError => e
  puts e.class
end
Tempfile.create("x") { |f| f.write("temp"); f.flush; puts File.size(f.path), File.read(f.path) }
FileUtils.mkdir_p("a/b/c"); FileUtils.touch(%w[a/1 a/b/2]); puts Dir.glob("a/**/*").sort.join(" ")
FileUtils.rm_r("a"); puts Dir.exist?("a")
puts `echo backticks`, $?.exitstatus, system("exit 3"), $?.exitstatus
out, err, st = Open3.capture3("sh", "-c", "cat; echo err >&2; exit 4", stdin_data: "in"); p out, err, st.exitstatus
pid = fork { exit! 9 }; Process.wait(pid); p $?.exitstatus
r, w = IO.pipe; fork { r.close; w.puts "child"; w.close; exit! }; w.close; p r.read; Process.wait
q = Queue.new; ts = 4.times.map { |i| Thread.new { 100.times { |n| q << n * i } } }; ts.each(&:join); s = 0; s += q.pop until q.empty?; p s
m = Mutex.new; n = 0; 8.times.map { Thread.new { 1000.times { m.synchronize { n += 1 } } } }.each(&:join); p n
server = TCPServer.new("127.0.0.1", 0)
Thread.new { 3.times { c = server.accept; c.puts c.gets.upcase; c.close } }
3.times { |i| s = TCPSocket.new("127.0.0.1", server.addr[1]); s.puts "line #{i}"; p s.gets; s.close }
trap("USR1") { puts "usr1" }; Process.kill("USR1", Process.pid); sleep 0.05
begin
  Timeout.timeout(0.05) { sleep 5 }
rescue Timeout::Error
  puts "timeout"
end
begin
  File.read("/nosuch")
rescue => e
  puts e.class, e.message
end
puts Digest::SHA256.hexdigest("x")[0, 8], (1..30).reduce(:*), [3, 1, 2].sort.inspect, "héllo".upcase, "%.3f" % Math::PI
GC.start; puts GC.count.positive?, ObjectSpace.count_objects[:TOTAL].positive?
f = Fiber.new { |x| y = Fiber.yield(x * 2); y + 1 }; p f.resume(5), f.resume(7)
p Process.clock_gettime(Process::CLOCK_MONOTONIC).positive?, Process.getpgid(0) == Process.getpgrp, Etc.respond_to?(:getpwnam) if require "etc"
File.open("locked", "w") { |g| p g.flock(File::LOCK_EX) }
p IO.select([r = IO.pipe[0]], nil, nil, 0.01), Process.clock_getres(Process::CLOCK_MONOTONIC).positive?
at_exit { puts "at exit" }
exit 0
