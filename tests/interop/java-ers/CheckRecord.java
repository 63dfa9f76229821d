import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Date;

import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.bc.BcECSignerInfoVerifierBuilder;
import org.bouncycastle.operator.DefaultDigestAlgorithmIdentifierFinder;
import org.bouncycastle.cms.DefaultCMSSignatureAlgorithmNameGenerator;
import org.bouncycastle.operator.DefaultSignatureAlgorithmIdentifierFinder;
import org.bouncycastle.operator.bc.BcDigestCalculatorProvider;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;

/** Checks an evidence record with BouncyCastle: CheckRecord RECORD DATA. Exit code 0 if it holds. */
public final class CheckRecord {
    public static void main(String[] arguments) throws Exception {
        byte[] record = Files.readAllBytes(Path.of(arguments[0]));
        byte[] data = Files.readAllBytes(Path.of(arguments[1]));
        ERSEvidenceRecord evidence = new ERSEvidenceRecord(record, new BcDigestCalculatorProvider());
        X509CertificateHolder signer = evidence.getSigningCertificate();
        SignerInformationVerifier verifier = new BcECSignerInfoVerifierBuilder(
                new DefaultCMSSignatureAlgorithmNameGenerator(),
                new DefaultSignatureAlgorithmIdentifierFinder(),
                new DefaultDigestAlgorithmIdentifierFinder(),
                new BcDigestCalculatorProvider()).build(signer);
        // The newest time-stamp, and every link from it back to the data.
        evidence.validate(verifier);
        evidence.validatePresent(new ERSByteData(data), new Date());
        System.out.println("holds");
    }
}
