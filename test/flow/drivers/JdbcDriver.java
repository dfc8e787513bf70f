// The PostgreSQL JDBC driver in its default mode (autocommit). Speaks the line protocol with a JSON reader that knows
// just what drivers.py sends: flat objects of strings, integers and lists.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;

public class JdbcDriver {
    static Connection conn;
    static PreparedStatement prepared;
    static volatile Statement current;
    static Thread thread;
    static volatile String joined;

    public static void main(String[] argv) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        for (String line; (line = in.readLine()) != null; ) {
            Map<String, Object> a = (Map<String, Object>) new Json(line).value();
            out.println(answer((String) a.get("op"), a));
        }
    }

    static String answer(String op, Map<String, Object> a) {
        try {
            switch (op) {
            case "open": return open(a);
            case "run": case "step": return run(a);
            case "start":
                thread = new Thread(() -> { joined = answer("run", a); });
                thread.start();
                return "{}";
            case "join": thread.join(); return joined;
            case "cancel": current.cancel(); return "{}";
            case "begin": conn.setAutoCommit(false); return "{}";
            case "rollback": conn.rollback(); conn.setAutoCommit(true); return "{}";
            case "prepare": prepared = conn.prepareStatement(text(a)); return "{}";
            case "execute": return execute(prepared, list(a.get("params")));
            case "batch": return batch(a);
            case "close": conn.close(); return "{}";
            default: throw new IllegalStateException(op);
            }
        } catch (SQLException e) {
            SQLException last = e.getNextException() == null ? e : e.getNextException();
            return "{\"error\":{\"code\":" + quote(last.getSQLState()) + ",\"message\":" + quote(last.getMessage()) + "}}";
        } catch (Exception e) {
            return "{\"error\":{\"code\":\"\",\"message\":" + quote(e.toString()) + "}}";
        }
    }

    // postgresql://user:password@host:port/database, which JDBC wants in parts
    static String open(Map<String, Object> a) throws Exception {
        java.net.URI u = new java.net.URI((String) a.get("url"));
        String[] who = u.getRawUserInfo().split(":", 2);
        Properties p = new Properties();
        p.setProperty("user", java.net.URLDecoder.decode(who[0], "UTF-8"));
        p.setProperty("password", java.net.URLDecoder.decode(who[1], "UTF-8"));
        p.setProperty("prepareThreshold", "3");
        if (a.get("hold") != null)
            p.setProperty("options", "-c phi.hold=" + a.get("hold"));
        conn = DriverManager.getConnection("jdbc:postgresql://" + u.getHost() + ":" + u.getPort() + u.getPath(), p);
        return "{}";
    }

    static String text(Map<String, Object> a) { return ((String) a.get("sql")).replace("%s", "?"); }

    static List<Object> list(Object o) { return o == null ? List.of() : (List<Object>) o; }

    static String run(Map<String, Object> a) throws SQLException {
        try (PreparedStatement s = conn.prepareStatement(text(a))) {
            return execute(s, list(a.get("params")));
        }
    }

    static void bind(PreparedStatement s, List<Object> params) throws SQLException {
        for (int i = 0; i < params.size(); i++) {
            if (params.get(i) instanceof Long) s.setInt(i + 1, ((Long) params.get(i)).intValue());
            else s.setString(i + 1, (String) params.get(i));
        }
    }

    static String execute(PreparedStatement s, List<Object> params) throws SQLException {
        bind(s, params);
        current = s;
        if (!s.execute())
            return "{\"rows\":[],\"count\":" + s.getUpdateCount() + "}";
        StringBuilder rows = new StringBuilder();
        int n = 0;
        try (ResultSet r = s.getResultSet()) {
            for (int cols = r.getMetaData().getColumnCount(); r.next(); n++) {
                rows.append(n > 0 ? ",[" : "[");
                for (int i = 1; i <= cols; i++) rows.append(i > 1 ? "," : "").append(quote(r.getString(i)));
                rows.append("]");
            }
        }
        return "{\"rows\":[" + rows + "],\"count\":" + n + "}";
    }

    static String batch(Map<String, Object> a) throws SQLException {
        List<Object> all = list(a.get("list"));
        String sql = ((String) ((List<Object>) all.get(0)).get(0)).replace("%s", "?");
        try (PreparedStatement s = conn.prepareStatement(sql)) {
            for (Object one : all) {
                bind(s, list(((List<Object>) one).get(1)));
                s.addBatch();
            }
            current = s;
            return "{\"counts\":" + Arrays.toString(s.executeBatch()) + "}";
        }
    }

    static String quote(String s) {
        if (s == null) return "null";
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') b.append('\\').append(c);
            else if (c < 0x20) b.append(String.format("\\u%04x", (int) c));
            else b.append(c);
        }
        return b.append('"').toString();
    }

    static class Json {
        final String s;
        int at;

        Json(String s) { this.s = s; }

        char next() {
            while (Character.isWhitespace(s.charAt(at))) at++;
            return s.charAt(at);
        }

        Object value() {
            char c = next();
            if (c == '{') return object();
            if (c == '[') return array();
            if (c == '"') return string();
            int from = at;
            while (at < s.length() && ",]}".indexOf(s.charAt(at)) < 0) at++;
            String word = s.substring(from, at).trim();
            return word.equals("null") ? null : Long.valueOf(word);
        }

        Map<String, Object> object() {
            Map<String, Object> m = new HashMap<>();
            at++;
            while (next() != '}') {
                String key = string();
                next();
                at++; // ':'
                m.put(key, value());
                if (next() == ',') at++;
            }
            at++;
            return m;
        }

        List<Object> array() {
            List<Object> l = new ArrayList<>();
            at++;
            while (next() != ']') {
                l.add(value());
                if (next() == ',') at++;
            }
            at++;
            return l;
        }

        String string() {
            StringBuilder b = new StringBuilder();
            for (at++; s.charAt(at) != '"'; at++) {
                char c = s.charAt(at);
                if (c != '\\') { b.append(c); continue; }
                c = s.charAt(++at);
                if (c == 'u') { b.append((char) Integer.parseInt(s.substring(at + 1, at + 5), 16)); at += 4; }
                else b.append(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c);
            }
            at++;
            return b.toString();
        }
    }
}
