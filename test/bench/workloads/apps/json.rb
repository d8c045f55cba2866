# Parses a JSON document and prints what it found. usage: json.rb FILE
require "json"

document = JSON.parse(File.read(ARGV[0]))
users = document["users"]
puts "users: #{users.length}"
puts "active: #{users.count { |u| u["active"] }}"
puts "balance: #{format("%.2f", users.sum { |u| u["balance"] })}"
tags = users.flat_map { |u| u["tags"] }.tally.sort
puts tags.map { |name, n| "#{name}=#{n}" }.join(" ")
puts "bytes: #{JSON.generate(document).bytesize}"
